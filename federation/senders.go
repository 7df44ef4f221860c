package federation

import (
	"context"
	"sync"
	"time"
)

// Messages of one host about money wait for each other in the books, and each holds a connection to the database
// meanwhile, which others need. So few are taken at a time in a process (we deliver two at a time); some wait for them here,
// for a while.
const (
	messagesPerHost = 6
	waitingPerHost  = 100
	waitForTurn     = 10 * time.Second
)

// senders are the hosts whose messages are being taken.
type senders struct {
	mu     sync.Mutex
	byHost map[string]*turns
}

// turns are one host's: a slot for each message that is being taken, and how many are taken or wait.
type turns struct {
	slots chan struct{}
	all   int
}

// enter waits for a message's turn; leave ends it. Not ok: too many of the host's messages wait, or it took too long.
func (s *senders) enter(ctx context.Context, host string) (leave func(), ok bool) {
	t, ok := s.join(host)
	if !ok {
		return nil, false
	}
	wait, cancel := context.WithTimeout(ctx, waitForTurn)
	defer cancel()
	select {
	case t.slots <- struct{}{}:
		return func() { <-t.slots; s.part(host) }, true
	case <-wait.Done():
		s.part(host)
		return nil, false
	}
}

func (s *senders) join(host string) (*turns, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byHost == nil {
		s.byHost = map[string]*turns{}
	}
	t := s.byHost[host]
	if t == nil {
		t = &turns{slots: make(chan struct{}, messagesPerHost)}
		s.byHost[host] = t
	}
	if t.all == messagesPerHost+waitingPerHost {
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
