package simulation

import "slices"

// job is something that must be told, kept until the peer has acknowledged it.
type job struct {
	id       int64
	to       int
	kind     kind
	document *document
	answer   *document // of a return
	tries    int
}

// message is a job on its way, or what somebody sends without keeping it.
type message struct {
	job      int64
	from, to int
	kind     kind
	document *document
	answer   *document
}

// longest is how long the network may keep a message.
const longest = 11 * day

func (w *world) enqueue(h *host, j job) {
	j.id = w.serial()
	h.books.outbox = append(h.books.outbox, j)
	w.at(w.now+1, event{kind: attempting, host: int16(h.no), n: j.id, epoch: h.epoch})
}

// attempt sends a job once, and plans the next time: nothing that is about money is ever given up.
func (w *world) attempt(h *host, e event) {
	at := h.jobAt(e.n)
	if !h.up || e.epoch != h.epoch || at < 0 {
		return
	}
	j := &h.books.outbox[at]
	j.tries++
	w.send(message{job: j.id, from: h.no, to: j.to, kind: j.kind, document: j.document, answer: j.answer})
	backoff := min(day/2, 20<<min(j.tries, 10))
	w.at(w.now+backoff/2+w.within(backoff), event{kind: attempting, host: int16(h.no), n: j.id, epoch: h.epoch})
}

func (h *host) jobAt(id int64) int {
	return slices.IndexFunc(h.books.outbox, func(j job) bool { return j.id == id })
}

// send puts a message on the network, which may lose, double, delay and so reorder it.
func (w *world) send(m message) {
	copies := 1
	if w.lost() {
		copies = 0
	} else if !w.quiet() && w.chance(w.weather.double) {
		copies = 2
	}
	for range copies {
		delay := w.within(5)
		if !w.quiet() && w.chance(w.weather.late) {
			delay = w.within(longest)
		}
		w.at(w.now+delay, event{kind: delivering, host: int16(m.to), n: w.put(m)})
	}
}

// put finds a message a place until it is delivered.
func (w *world) put(m message) int64 {
	if last := len(w.unused) - 1; last >= 0 {
		at := w.unused[last]
		w.unused, w.messages[at] = w.unused[:last], m
		return at
	}
	w.messages = append(w.messages, m)
	return int64(len(w.messages) - 1)
}

func (w *world) lost() bool { return !w.quiet() && w.chance(w.weather.loss) }

func (w *world) cut(h *host) bool { return h.cutFrom <= w.now && w.now < h.cutTo }

// deliver hands a message over. What is answered comes back as an acknowledgement, which can be lost as well.
func (w *world) deliver(h *host, e event) {
	m := w.messages[e.n]
	w.messages[e.n] = message{}
	w.unused = append(w.unused, e.n)
	from := w.hosts[m.from]
	if !h.up || w.cut(h) || w.cut(from) {
		return
	}
	acknowledged, ok := w.take(h, &m)
	if !ok || !acknowledged || m.job == 0 || w.lost() {
		return
	}
	from.acknowledge(m.job)
}

// acknowledge ends a job.
func (h *host) acknowledge(job int64) {
	if at := h.jobAt(job); h.up && at >= 0 {
		h.books.outbox = slices.Delete(h.books.outbox, at, at+1)
	}
}
