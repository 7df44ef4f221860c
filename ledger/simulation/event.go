package simulation

// event is something that happens at a time.
type event struct {
	at, seq int64
	n       int64 // what the kind says
	epoch   int32 // of the host's run, where it matters
	host    int16
	kind    occurrence
}

type occurrence uint8

// What happens. n is a giver of depositing, a month of settling, a job of attempting, a message of delivering, a
// transfer of arriving. Events hold no pointers, because a heap moves them about.
const (
	starting occurrence = iota
	attempting
	delivering
	arriving
	depositing
	joining
	settling
	operating
	telling
	lying
	backingUp
	restoring
)

// heap holds events, the earliest first and, of the same minute, the one that was put in first.
type heap []event

func (e event) before(other event) bool {
	return e.at < other.at || e.at == other.at && e.seq < other.seq
}

func (h *heap) push(e event) {
	*h = append(*h, e)
	at := len(*h) - 1
	for at > 0 && e.before((*h)[(at-1)/2]) {
		(*h)[at] = (*h)[(at-1)/2]
		at = (at - 1) / 2
	}
	(*h)[at] = e
}

func (h *heap) pop() event {
	all := *h
	first, last := all[0], all[len(all)-1]
	all = all[:len(all)-1]
	*h = all
	for at := 0; len(all) > 0; {
		child := 2*at + 1
		if child+1 < len(all) && all[child+1].before(all[child]) {
			child++
		}
		if child >= len(all) || last.before(all[child]) {
			all[at] = last
			break
		}
		all[at] = all[child]
		at = child
	}
	return first
}
