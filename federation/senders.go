package federation

import "sync"

// messagesPerHost is how many messages of one host about money are taken at a time in a process: they wait for each other in the
// books, and each holds a connection to the database meanwhile, which others need. We deliver two at a time.
const messagesPerHost = 6

// senders counts the messages of each host that are being taken.
type senders struct {
	mu     sync.Mutex
	byHost map[string]int
}

// enter begins a message of a host, unless too many are under way; leave ends it.
func (s *senders) enter(host string) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byHost[host] >= messagesPerHost {
		return nil, false
	}
	if s.byHost == nil {
		s.byHost = map[string]int{}
	}
	s.byHost[host]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.byHost[host]--; s.byHost[host] == 0 {
			delete(s.byHost, host)
		}
	}, true
}
