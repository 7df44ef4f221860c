package simulation

import (
	"github.com/fedflattr/flattrd/ledger/pair"
)

// host is one instance: its database, and what a crash takes.
type host struct {
	no     int
	name   string
	liar   bool
	books  *books
	backup *books
	up     bool
	back   int64 // when it is up again
	epoch  int32 // of this run; what was scheduled in an earlier one is void
	losses int   // how often it was put back

	cutFrom, cutTo int64 // when it hears and is heard by nobody
}

// stuck is how long a hold lasts before what doesn't fit freezes the pair.
const stuck = 8 * day

func newHost(no, hosts int) *host {
	b := &books{sides: make([]side, hosts), documents: map[string]*document{}, means: make([]int64, 2)}
	for i := range b.sides {
		b.sides[i].changed = true
	}
	return &host{no: no, name: hostName(no), books: b}
}

func (w *world) peer(h *host, no int) pair.Peer {
	s := &h.books.sides[no]
	return pair.Peer{Host: hostName(no), Frozen: s.frozen, Held: s.standing.Held, Stuck: s.held > 0 && w.now-s.held > stuck}
}

// start brings a host up: it holds everything for peers with whom it has exchanged statements until these are
// compared, and asks for that.
func (w *world) start(h *host) {
	h.up = true
	h.epoch++
	w.say("%s starts", h.name)
	w.hold(h, true)
	for _, j := range h.books.outbox {
		w.at(w.now+w.within(hour), event{kind: attempting, host: int16(h.no), n: j.id, epoch: h.epoch})
	}
}

// hold has a host reconcile with all its peers that aren't held yet; when it starts, with these again.
func (w *world) hold(h *host, starts bool) {
	for peer := range h.books.sides {
		if s := &h.books.sides[peer]; s.standing.Seen > 0 && (starts || !s.standing.Held) {
			s.standing.Held, s.standing.Asked = true, ""
			w.makeStatement(h, peer, "")
		}
	}
}

// restored has a host that has lost what it signed ask all.
func (w *world) restored(h *host, peer int) {
	h.books.sides[peer].standing.Held = true
	w.makeStatement(h, peer, "")
	w.hold(h, false)
}

// crashes draws whether a host dies now. What isn't committed is gone.
func (w *world) crashes(h *host) bool {
	if w.quiet() || !w.chance(w.weather.crash) {
		return false
	}
	w.say("%s crashes", h.name)
	w.stop(h, w.within(12*hour))
	return true
}

func (w *world) stop(h *host, minutes int64) {
	h.up, h.back = false, w.now+minutes
	h.epoch++
	w.at(h.back, event{kind: starting, host: int16(h.no)})
}

// restore puts a host back to its backup: behind the running program's back, or it starts with it.
func (w *world) restore(h *host, running bool) {
	if h.backup == nil || !h.up || w.quiet() {
		return
	}
	h.books = h.backup.clone()
	h.losses++
	if !h.liar {
		w.result.Restores++
	}
	w.say("%s is put back to a backup, running: %t", h.name, running)
	w.note(h, "restore", "", 0)
	if !running {
		w.stop(h, w.within(hour))
		return
	}
	h.epoch++
	for _, j := range h.books.outbox {
		w.at(w.now+w.within(hour), event{kind: attempting, host: int16(h.no), n: j.id, epoch: h.epoch})
	}
}
