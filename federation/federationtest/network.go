package federationtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/ledger"
)

// Weather says how bad a network is. The zero Weather is calm.
type Weather struct {
	Seed    uint64        // of everything that is drawn
	Lose    float64       // how many attempts get nowhere
	Unheard float64       // how many attempts arrive and are committed, but the sender doesn't hear of it
	Deaf    float64       // in how many attempts the receiver can't look the sender up
	Repeat  int           // how often a message may be delivered in all; 0 is once
	Delay   time.Duration // at most, before each attempt
	GiveWay int           // one of how many transactions the databases abort for another's sake when it commits; 0 is none

	Restores bool // an instance may not know what it has said: what is refused for good is no fault

	// Faults of the network itself, planted to show that a test would notice them.
	Forget  bool // a lost attempt counts as delivered
	Amnesia bool // a receiver doesn't know a flattr again whose Like it has had
}

// Tally counts what a network has done.
type Tally struct{ Told, Attempts, Lost, Unheard, Deaf, Repeats, Together, Behind int }

// Network carries what the instances tell each other.
type Network struct {
	w       *World
	weather Weather
	random  *rand.Rand
	waiting []*parcel
	told    int
	tally   Tally
	refused int          // for good
	latest  map[pair]int // the newest message between two instances that has arrived
	cut     sync.Map     // hosts out of reach
	fate    atomic.Pointer[fate]
}

type pair struct{ from, to string }

// parcel is a message on its way.
type parcel struct {
	from   *Instance
	m      ledger.Message
	number int
	due    time.Time
	copies int // still to arrive
	tries  int
	err    error // of the last attempt
}

// fate is what becomes of the attempt under way.
type fate struct{ lose, unheard, deaf bool }

func newNetwork(w *World, weather Weather) *Network {
	return &Network{w: w, weather: weather, random: rand.New(rand.NewPCG(weather.Seed, 0x6e6574)), latest: map[pair]int{}}
}

// Tally returns what was done so far.
func (n *Network) Tally() Tally { return n.tally }

// Waiting is how many messages are on their way.
func (n *Network) Waiting() int { return len(n.waiting) }

// Cut puts an instance out of everybody's reach, until Heal: nothing arrives there, and what it tells
// gets nowhere. Quiet doesn't wait for it.
func (n *Network) Cut(i *Instance) { n.cut.Store(i.Ledger.Instance().Host, true) }

// Heal brings it back.
func (n *Network) Heal(i *Instance) { n.cut.Delete(i.Ledger.Instance().Host) }

func (n *Network) isCut(i *Instance) bool {
	if i == nil {
		return false
	}
	_, cut := n.cut.Load(i.Ledger.Instance().Host)
	return cut
}

// stuck tells whether a message can't go where it is for.
func (n *Network) stuck(p *parcel) bool { return n.isCut(p.from) || n.isCut(n.w.at(p.m.To)) }

// Sent takes over what an instance has told since; in calm weather it arrives at once, and so does what
// that causes.
func (n *Network) Sent(i *Instance) {
	n.collect(i)
	n.deliverDue()
}

// collect takes messages out of an outbox.
func (n *Network) collect(i *Instance) {
	for _, m := range i.Outbox.Take(n.w.t) {
		n.told++
		n.tally.Told++
		n.waiting = append(n.waiting, &parcel{from: i, m: m, number: n.told, copies: n.copies(),
			due: n.w.Clock.Now().Add(n.delay())})
	}
}

// copies draws how often a message arrives: mostly once or twice, now and then as often as may be.
func (n *Network) copies() int {
	switch p := n.random.Float64(); {
	case n.weather.Repeat < 2 || p < 0.6:
		return 1
	case p < 0.85:
		return 2
	case p < 0.95:
		return min(3, n.weather.Repeat)
	}
	return 1 + n.random.IntN(n.weather.Repeat)
}

// delay draws how long until an attempt: as likely minutes as days.
func (n *Network) delay() time.Duration {
	if n.weather.Delay == 0 {
		return 0
	}
	d := n.random.Float64()
	return time.Duration(d * d * d * float64(n.weather.Delay))
}

// chance draws with a probability; in calm weather nothing is drawn.
func (n *Network) chance(p float64) bool { return p > 0 && n.random.Float64() < p }

// deliverDue tries what is due now, in the order of due.
func (n *Network) deliverDue() { n.until(n.w.Clock.Now()) }

// until turns the clock from one due message to the next, up to at.
func (n *Network) until(at time.Time) {
	n.w.t.Helper()
	for {
		p := n.first()
		if p == nil || p.due.After(at) {
			break
		}
		if p.due.After(n.w.Clock.Now()) {
			n.w.Clock.Set(p.due)
		}
		n.try(p, true)
	}
	if at.After(n.w.Clock.Now()) {
		n.w.Clock.Set(at)
	}
}

// first is the message that is due first; of those due together the one told first.
func (n *Network) first() *parcel {
	if len(n.waiting) == 0 {
		return nil
	}
	return slices.MinFunc(n.waiting, func(a, b *parcel) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.number, b.number))
	})
}

// quiet delivers everything, in any order that the weather allows. An attempt that fails all the same
// is repeated a minute later, up to an hour.
func (n *Network) quiet() {
	n.w.t.Helper()
	for round := 0; slices.ContainsFunc(n.waiting, func(p *parcel) bool { return !n.stuck(p) }); round++ {
		if round == 60 {
			n.w.t.Fatalf("%d messages can't be delivered: %s", len(n.waiting), n.waiting[0])
		}
		if round > 0 {
			n.w.Clock.Set(n.w.Clock.Now().Add(time.Minute))
		}
		n.sweep()
	}
}

// sweep tries everything that waits, and what that brings, until the rest has failed once.
func (n *Network) sweep() {
	failed := map[*parcel]bool{}
	for {
		ready := slices.DeleteFunc(slices.Clone(n.waiting), func(p *parcel) bool { return failed[p] || n.stuck(p) })
		if len(ready) == 0 {
			return
		}
		p := ready[0]
		if n.weather.Delay > 0 {
			p = ready[n.random.IntN(len(ready))]
		}
		if !n.try(p, false) {
			failed[p] = true
		}
	}
}

// try makes one attempt; mayFail says whether the weather may spoil it. It returns whether the message
// has arrived.
func (n *Network) try(p *parcel, mayFail bool) bool {
	n.w.t.Helper()
	n.tally.Attempts++
	p.tries++
	f := fate{}
	if mayFail && p.tries < 8 {
		f = fate{lose: n.chance(n.weather.Lose), unheard: n.chance(n.weather.Unheard), deaf: n.chance(n.weather.Deaf)}
	}
	n.forgetFlattr(p)
	outcome, err := n.attempt(p, f)
	n.count(p, f, outcome)
	p.err = err
	switch {
	case outcome == federation.Stopped:
		if n.refused++; !n.weather.Restores {
			n.w.t.Errorf("refused for good: %s", p)
		}
		n.drop(p)
	case outcome == federation.Done, f.lose && n.weather.Forget:
		n.arrived(p)
	case n.stuck(p):
		p.due = n.w.Clock.Now().Add(n.delay() + 6*time.Hour)
	default:
		p.due = n.w.Clock.Now().Add(n.delay() + time.Minute)
	}
	if to := n.w.at(p.m.To); to != nil {
		n.collect(to)
	}
	return outcome == federation.Done
}

// attempt posts a message; of those that arrive often, half at once, as by several workers.
func (n *Network) attempt(p *parcel, f fate) (federation.Outcome, error) {
	ctx := context.Background()
	if n.isCut(p.from) {
		return federation.Retry, errors.New("cut off")
	}
	if p.copies > 2 && f == (fate{}) && !n.stuck(p) && n.chance(0.5) {
		n.tally.Together++
		var all sync.WaitGroup
		for range p.copies - 1 {
			all.Go(func() {
				outcome, err := p.from.Server.Deliver(ctx, p.m)
				often := p.m.Kind == ledger.TellStatement && outcome == federation.Retry // each is another, and few are taken at once
				if outcome != federation.Done && !often {
					n.w.t.Errorf("of %d at once: %s: %v", p.copies, p, err)
				}
			})
		}
		all.Wait()
		p.copies = 1
	}
	n.fate.Store(&f)
	defer n.fate.Store(nil)
	return p.from.Server.Deliver(ctx, p.m)
}

// arrived takes one copy off, and the message with its last.
func (n *Network) arrived(p *parcel) {
	if p.copies--; p.copies == 0 {
		n.drop(p)
		return
	}
	p.due = n.w.Clock.Now().Add(n.delay())
}

func (n *Network) drop(p *parcel) {
	n.waiting = slices.DeleteFunc(n.waiting, func(q *parcel) bool { return q == p })
}

func (n *Network) count(p *parcel, f fate, outcome federation.Outcome) {
	switch {
	case f.lose:
		n.tally.Lost++
	case f.deaf && outcome != federation.Done:
		n.tally.Deaf++
	case f.unheard:
		n.tally.Unheard++
	}
	if outcome != federation.Done {
		return
	}
	if p.copies > 1 {
		n.tally.Repeats++
	}
	between := pair{p.from.Name, p.m.To}
	if p.number < n.latest[between] {
		n.tally.Behind++
	}
	n.latest[between] = max(n.latest[between], p.number)
}

// Undelivered says what is on its way, and what came of the last attempt.
func (n *Network) Undelivered() (all []string) {
	for _, p := range n.waiting {
		all = append(all, p.String())
	}
	return all
}

func (p *parcel) String() string {
	return fmt.Sprintf("%s tells %s %s %s (message %d, attempt %d): %v",
		p.from.Name, p.m.To, p.m.Kind, p.m.Key, p.number, p.tries, p.err)
}

// faulty does to requests what the weather and cuts say.
func (n *Network) faulty(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, cut := n.cut.Load(r.Host); cut {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		f := n.fate.Load()
		switch {
		case f == nil:
			h.ServeHTTP(w, r)
		case r.Method == http.MethodGet && f.deaf, r.Method == http.MethodPost && f.lose:
			panic(http.ErrAbortHandler)
		case r.Method == http.MethodPost && f.unheard:
			h.ServeHTTP(unheard{header: http.Header{}}, r)
			panic(http.ErrAbortHandler)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// unheard is an answer that never arrives.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header         { return u.header }
func (u unheard) Write(b []byte) (int, error) { return len(b), nil }
func (u unheard) WriteHeader(int)             {}

// forgetFlattr plants the fault Amnesia: the row that would tell the receiver that it has had this Like
// gets another id, so that the next copy is new to it.
func (n *Network) forgetFlattr(p *parcel) {
	if !n.weather.Amnesia || p.m.Kind != ledger.TellLike {
		return
	}
	for _, i := range n.w.instances {
		n.w.must(again(func() error {
			_, err := i.Pool.Exec(context.Background(), `
				update received_flattr set id = id || '#' || (select count(*) from received_flattr) where id = $1`,
				p.from.Ledger.Instance().FlattrIRI(p.m.Key))
			return err
		}))
	}
}
