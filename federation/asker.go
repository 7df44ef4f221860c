package federation

import (
	"errors"
	"time"
)

// Anybody can name any key, and no two need be the same: without a bound per host, whoever posts
// nonsense to us would have us knock at somebody else's door once for each post.
const (
	asksAtOnce      = 4                // fetches of unknown keys from one host
	askWait         = 10 * time.Second // for one's turn
	failuresPerHost = 30               // fetches without a proof, at once and then per minute
	tokenEvery      = time.Minute / failuresPerHost
	maxAskers       = 10_000 // hosts remembered; when reached, the memory of those that were left alone goes
)

// errHostBusy: a key's host is asked enough for now.
var errHostBusy = errors.New("the host of the key is asked for too many keys")

// asker is what we ask of one host. A fetch takes a token, which comes back if the key proves a
// signature: however many honest newcomers a host has, they cost none.
type asker struct {
	turns  chan struct{} // one for each fetch under way
	tokens int
	filled time.Time // when tokens were last added
}

// askerOf returns a host's asker; m.mu is held.
func (m *lookups) askerOf(host string) *asker {
	now := m.now()
	a := m.askers[host]
	if a == nil {
		if len(m.askers) >= maxAskers {
			m.dropIdle(now)
		}
		if m.askers == nil || len(m.askers) >= maxAskers {
			m.askers = map[string]*asker{}
		}
		a = &asker{turns: make(chan struct{}, asksAtOnce), tokens: failuresPerHost, filled: now}
		m.askers[host] = a
	}
	a.fill(now)
	return a
}

// fill adds the tokens that time has brought.
func (a *asker) fill(now time.Time) {
	n := int(now.Sub(a.filled) / tokenEvery)
	if n <= 0 {
		return
	}
	a.filled = a.filled.Add(time.Duration(n) * tokenEvery)
	a.tokens = min(a.tokens+min(n, failuresPerHost), failuresPerHost)
}

// dropIdle forgets hosts that would be as new.
func (m *lookups) dropIdle(now time.Time) {
	for host, a := range m.askers {
		if a.fill(now); a.tokens == failuresPerHost && len(a.turns) == 0 {
			delete(m.askers, host)
		}
	}
}

// ask waits until a host may be asked for one more key, and takes a token for it. done ends the
// asking. Without a token nobody waits: errHostBusy.
func (m *lookups) ask(host string, l *lookup) (done func(), err error) {
	m.mu.Lock()
	a := m.askerOf(host)
	if a.tokens <= 0 {
		m.mu.Unlock()
		return nil, errHostBusy
	}
	m.mu.Unlock()
	late := time.NewTimer(askWait)
	defer late.Stop()
	select {
	case a.turns <- struct{}{}:
	case <-late.C:
		return nil, errHostBusy
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.tokens <= 0 { // those before us have used them up
		<-a.turns
		return nil, errHostBusy
	}
	a.tokens--
	l.asker = a
	return func() { <-a.turns }, nil
}
