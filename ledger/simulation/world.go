package simulation

import (
	"fmt"
	"io"
	"math/rand/v2"
)

// Virtual time is counted in minutes.
const (
	hour  int64 = 60
	day         = 24 * hour
	month       = 10 * day
)

// world is one seed's federation and all that is around it.
type world struct {
	now       int64
	quietFrom int64 // from here on everything works, and nothing new begins
	events    heap
	messages  []message // on their way
	unused    []int64   // places in messages
	rng       *rand.Rand
	seed      uint64
	weather   weather
	hosts     []*host
	bank      bank
	directory []string // all payees that there ever were
	serials   int64    // never put back: what real hosts draw at random
	result    Result
	trace     io.Writer // nil: nobody reads along
}

// Run plays one seed's world to its end. hosts is how many instances there are, 0 for two to five; whoever reads
// along gets a line for each event.
func Run(seed uint64, hosts int, trace io.Writer) (r Result) {
	w := &world{seed: seed, rng: rand.New(rand.NewPCG(seed, 0x466564666c617474)), trace: trace}
	w.result.Seed, w.result.Hash = seed, fnvOffset
	defer func() {
		if trace != nil {
			return // whoever reads along sees the stack
		}
		if p := recover(); p != nil {
			w.violation("", "panic: %v", p)
			r = w.result
		}
	}()
	w.build(hosts)
	for len(w.events) > 0 && len(w.result.Violations) == 0 {
		e := w.events.pop()
		if w.now = e.at; w.now > w.quietFrom+rest {
			break
		}
		w.result.Events++
		w.happen(e)
	}
	if len(w.result.Violations) == 0 {
		w.judge()
	}
	return w.result
}

// weather is what a world suffers from; what is off in one seed shows alone in another.
type weather struct {
	loss, double, late, crash, restores int // per mille
	cuts, badBank, leaving              bool
}

func (w *world) build(hosts int) {
	if hosts == 0 {
		hosts = []int{2, 2, 2, 2, 3, 3, 3, 3, 4, 5}[w.rng.IntN(10)]
	}
	w.weather = weather{loss: w.sometimes(150), double: w.sometimes(150), late: []int{0, 20, 20, 100}[w.rng.IntN(4)],
		crash: w.sometimes(10), restores: []int{0, 100, 200, 600}[w.rng.IntN(4)],
		cuts: w.chance(500), badBank: w.chance(500), leaving: w.chance(700)}
	months := int64(3 + w.rng.IntN(4))
	w.quietFrom = months*month + 6*day
	w.bank.journals = make([][]entry, hosts)
	for i := range hosts {
		w.hosts = append(w.hosts, newHost(i, hosts))
	}
	if w.chance(400) {
		w.hosts[w.rng.IntN(hosts)].liar = true
	}
	for _, h := range w.hosts {
		w.plan(h, months)
	}
}

// plan writes down what happens to a host by the clock. Everything else follows from it.
func (w *world) plan(h *host, months int64) {
	for range 1 + w.rng.IntN(3) {
		w.join(h)
	}
	for g := range h.books.means {
		for m := range months {
			w.at(m*month+w.within(month-day), event{kind: depositing, host: int16(h.no), n: int64(g)})
		}
	}
	for m := range months {
		w.at((m+1)*month+day+w.within(hour), event{kind: settling, host: int16(h.no), n: m})
		w.at(m*month+w.within(month), event{kind: joining, host: int16(h.no)})
	}
	for at := w.within(day); at < w.quietFrom+rest; at += day {
		w.at(at, event{kind: operating, host: int16(h.no)})
		w.at(at+w.within(day/2), event{kind: telling, host: int16(h.no)})
	}
	if h.liar {
		for at := month + w.within(day); at < w.quietFrom; at += w.within(2 * day) {
			w.at(at, event{kind: lying, host: int16(h.no)})
		}
	}
	w.at(w.within(hour), event{kind: starting, host: int16(h.no)})
	w.planDisasters(h)
}

// rest is how long a world must be quiet before it is judged: the latest message and transfer have come by then,
// and what was missed was noticed.
const rest = longest + patience + 8*day

// planDisasters draws when a host is cut off, and when it is put back to which backup.
func (w *world) planDisasters(h *host) {
	if w.weather.cuts {
		from := w.within(w.quietFrom - 6*day)
		h.cutFrom, h.cutTo = from, from+w.within(5*day)
	}
	for w.chance(w.weather.restores) {
		backup := w.within(w.quietFrom - 8*day)
		w.at(backup, event{kind: backingUp, host: int16(h.no)})
		w.at(backup+w.within(7*day), event{kind: restoring, host: int16(h.no), n: int64(w.rng.IntN(5))})
	}
}

// happen lets one event happen.
func (w *world) happen(e event) {
	h := w.hosts[e.host]
	switch e.kind {
	case starting:
		w.start(h)
	case attempting:
		w.attempt(h, e)
	case delivering:
		w.deliver(h, e)
	case arriving:
		w.arrive(e)
	case backingUp:
		h.backup = h.books.clone()
	case restoring:
		w.restore(h, e.n == 0)
	default:
		w.routine(h, e)
	}
}

// routine is what a host that is up does by the clock; what is due while it is down is done at the next start.
func (w *world) routine(h *host, e event) {
	switch {
	case e.kind == depositing:
		w.deposit(h, int(e.n))
	case e.kind == joining:
		w.join(h)
	case !h.up && e.kind == settling:
		w.at(h.back+1, e)
	case !h.up:
	case e.kind == settling:
		w.settleMonth(h)
	case e.kind == operating:
		w.operate(h)
	case e.kind == telling:
		w.tellAll(h)
	case e.kind == lying && w.now < w.quietFrom:
		w.lie(h)
	}
}

func (w *world) quiet() bool { return w.now >= w.quietFrom }

// chance draws true so many times in a thousand.
func (w *world) chance(perMille int) bool { return perMille > 0 && w.rng.IntN(1000) < perMille }

func (w *world) sometimes(perMille int) int {
	if w.chance(300) {
		return 0
	}
	return perMille
}

// within draws a time of at least a minute.
func (w *world) within(most int64) int64 { return 1 + w.rng.Int64N(most) }

// serial is a number that nobody draws twice.
func (w *world) serial() int64 { w.serials++; return w.serials }

func (w *world) at(at int64, e event) {
	e.at, e.seq = at, w.serial()
	w.events.push(e)
}

func (w *world) say(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%3d %02d:%02d  "+format+"\n",
			append([]any{w.now / day, w.now % day / hour, w.now % hour}, args...)...)
	}
}
