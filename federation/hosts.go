package federation

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedflattr/flattrd/federation/guard"
)

// A host that hangs must not hold the workers that others wait for, and hosts are free to whoever wants
// to hold many. So a host gets few deliveries at a time, and one that doesn't answer is left alone for a
// while. A job that finds its host busy or left alone gives its worker back at once and comes again.
const (
	deliveriesPerHost = 2                // at a time, in this process
	failuresInARow    = 3                // that open a host's circuit, if they span
	failingFor        = 10 * time.Second // this: a server that restarts is away for seconds
	firstRest         = 30 * time.Second // doubling, up to
	longestRest       = time.Hour
	shortestTurn      = 200 * time.Millisecond // until a job asks its busy host again
	longestTurn       = 10 * time.Minute
	usualTime         = 100 * time.Millisecond // of a delivery, to a host of which none is known yet
	maxHosts          = 10_000                 // remembered; when reached, only those stay that are being told something
)

// hosts is what this process knows of those it delivers to; only hosts that are being told something or
// have failed are in it.
type hosts struct {
	now    func() time.Time
	mu     sync.Mutex
	byHost map[string]*circuit
}

// circuit is one host. It is open, and the host left alone, until rested; then one delivery probes it.
type circuit struct {
	begun   []time.Time         // of the deliveries under way
	took    time.Duration       // a delivery, lately
	waiting map[int64]time.Time // jobs that didn't get in, and when they come again
	pruned  time.Time
	failed  int       // in a row
	since   time.Time // the first of them
	rest    time.Duration
	rested  time.Time
}

func newHosts(now func() time.Time) *hosts { return &hosts{now: now, byHost: map[string]*circuit{}} }

// enter begins a job's delivery to a host; leave, called with what came of it, ends it. Without leave there
// is none now, as the host is busy or left alone, and the job comes again after wait.
func (h *hosts) enter(host string, job int64) (leave func(error), wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, c := h.now(), h.of(host)
	most := deliveriesPerHost
	if c.rest > 0 {
		most = 1
	}
	alone := c.rested.Sub(now)
	switch {
	case c.rest > 0 && alone > 0:
		wait = alone + rand.N(alone/4+time.Second)
	case len(c.begun) >= most:
		wait = c.turn(now)
	default:
		c.begun = append(c.begun, now)
		delete(c.waiting, job)
		return func(err error) { h.leave(host, c, now, err) }, 0
	}
	c.waiting[job] = now.Add(wait)
	return nil, wait
}

// of returns a host's circuit; h.mu is held.
func (h *hosts) of(host string) *circuit {
	c := h.byHost[host]
	if c == nil {
		if len(h.byHost) >= maxHosts {
			maps.DeleteFunc(h.byHost, func(_ string, c *circuit) bool { return len(c.begun) == 0 })
		}
		c = &circuit{took: usualTime, waiting: map[int64]time.Time{}, pruned: h.now()}
		h.byHost[host] = c
	}
	return c
}

// turn draws how long a job waits for its busy host: all who wait together come about twice as fast as they
// are taken. So a quick host is always told something, and those who wait for one that hangs cost little,
// however many they are.
func (c *circuit) turn(now time.Time) time.Duration {
	if now.Sub(c.pruned) > time.Minute { // those whom another process has told
		maps.DeleteFunc(c.waiting, func(_ int64, due time.Time) bool { return now.Sub(due) > time.Minute })
		c.pruned = now
	}
	pace := max(c.took, now.Sub(c.begun[0])) / deliveriesPerHost
	mean := longestTurn
	if n := time.Duration(len(c.waiting) + 1); n < 2*longestTurn/max(pace, 1) {
		mean = max(shortestTurn, n*pace/2)
	}
	return mean/4 + rand.N(mean*3/2)
}

func (h *hosts) leave(host string, c *circuit, begun time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	c.begun = slices.Delete(c.begun, slices.Index(c.begun, begun), slices.Index(c.begun, begun)+1)
	c.took = (c.took + now.Sub(begun)) / 2
	switch guard.CodeOf(err) {
	case guard.CodeTimeout, guard.CodeUnreachable:
		c.fail(now)
	case "", guard.CodeBlocked: // a fault of ours, or an address where we ask nobody, says nothing of it
		if err == nil {
			c.failed, c.rest = 0, 0
		}
	default: // whatever it answered, it did
		c.failed, c.rest = 0, 0
	}
	if len(c.begun) == 0 && c.failed == 0 && len(c.waiting) == 0 {
		delete(h.byHost, host)
	}
}

// fail counts one failure and opens the circuit, or keeps it open for twice as long. Deliveries that were
// under way when it opened don't count again.
func (c *circuit) fail(now time.Time) {
	if c.failed++; c.failed == 1 {
		c.since = now
	}
	switch {
	case c.rest > 0 && now.Before(c.rested):
	case c.rest > 0:
		c.rest = min(2*c.rest, longestRest)
		c.rested = now.Add(c.rest)
	case c.failed >= failuresInARow && now.Sub(c.since) >= failingFor:
		c.rest = firstRest
		c.rested = now.Add(c.rest)
	}
}

// recipientHost is the host of a message's recipient, who is an actor or, for money, the host itself.
func recipientHost(to string) string {
	if _, rest, ok := strings.Cut(to, "://"); ok {
		to = rest
	}
	host, _, _ := strings.Cut(to, "/")
	return strings.ToLower(host)
}
