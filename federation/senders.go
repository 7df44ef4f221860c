package federation

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Messages of one host about money wait for each other in the books, and each holds a connection to the database
// meanwhile, which others need. So few of a host are taken at a time in a process (we deliver two at a time), and few of
// all hosts together; some wait for their turn here, for a while, without a connection.
const (
	messagesPerHost = 6
	waitingPerHost  = 100
	messagesInAll   = 12 // or half of the pool's connections, if it has few
	waitForTurn     = 10 * time.Second
)

// senders are the hosts whose messages are being taken.
type senders struct {
	books   chan struct{} // a slot for each message that is in the books
	perHost int

	mu     sync.Mutex
	byHost map[string]*turns
}

// turns are one host's: a slot for each message that is being taken, and how many are taken or wait.
type turns struct {
	slots chan struct{}
	all   int
}

// newSenders is for a pool of so many connections.
func newSenders(connections int) *senders {
	all := max(1, min(messagesInAll, connections/2))
	return &senders{books: make(chan struct{}, all), perHost: max(1, min(messagesPerHost, all/2)), byHost: map[string]*turns{}}
}

// turn is one message's: its host's slot, and in the books one of all hosts' slots.
type turn struct {
	s       *senders
	host    string
	slots   chan struct{}
	inBooks bool
}

// enter waits for a message's turn among its host's; leave ends it. It isn't in the books yet: asking others for a key or
// for lines comes before that, and may take its time.
func (s *senders) enter(ctx context.Context, host string) (*turn, error) {
	t, ok := s.join(host)
	if !ok {
		return nil, errBusy()
	}
	if !await(ctx, t.slots) {
		s.part(host)
		return nil, errBusy()
	}
	return &turn{s: s, host: host, slots: t.slots}, nil
}

// open waits for a turn in the books, unless the message has it.
func (t *turn) open(ctx context.Context) error {
	if t.inBooks {
		return nil
	}
	if t.inBooks = await(ctx, t.s.books); !t.inBooks {
		return errBusy()
	}
	return nil
}

// shut gives the turn in the books back.
func (t *turn) shut() {
	if t.inBooks {
		<-t.s.books
		t.inBooks = false
	}
}

func (t *turn) leave() {
	t.shut()
	<-t.slots
	t.s.part(t.host)
}

// await takes a slot, or tells that it took too long.
func await(ctx context.Context, slots chan struct{}) bool {
	wait, cancel := context.WithTimeout(ctx, waitForTurn)
	defer cancel()
	select {
	case slots <- struct{}{}:
		return true
	case <-wait.Done():
		return false
	}
}

func errBusy() error {
	return refuse(http.StatusServiceUnavailable, "inbox.busy", "", "so many messages about money are being taken")
}

func (s *senders) join(host string) (*turns, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byHost[host]
	if t == nil {
		t = &turns{slots: make(chan struct{}, s.perHost)}
		s.byHost[host] = t
	}
	if t.all == s.perHost+waitingPerHost {
		return nil, false
	}
	t.all++
	return t, true
}

func (s *senders) part(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.byHost[host]; t != nil {
		if t.all--; t.all == 0 {
			delete(s.byHost, host)
		}
	}
}
