package simulation

import "fmt"

// Result is what became of one seed.
type Result struct {
	Seed       uint64      `json:"seed"`
	Hash       uint64      `json:"hash"` // of all that happened, in order
	Events     int         `json:"events"`
	Claims     int         `json:"claims"`   // offered, by honest hosts
	Payments   int         `json:"payments"` // by bank or netting, by honest hosts
	Restores   int         `json:"restores"` // of honest hosts
	Lies       int         `json:"lies"`
	Frozen     int         `json:"frozen"` // pairs of honest hosts that stand frozen at the end, after restores
	Violations []Violation `json:"violations,omitempty"`
}

// Violation is a rule that didn't hold.
type Violation struct {
	At   string `json:"at"`   // day and time on the world's clock
	Pair string `json:"pair"` // who, and towards whom
	What string `json:"what"`
}

func (v Violation) String() string { return fmt.Sprintf("%s  %s: %s", v.At, v.Pair, v.What) }

func (w *world) violation(pair, format string, args ...any) {
	v := Violation{At: fmt.Sprintf("day %d %02d:%02d", w.now/day, w.now%day/hour, w.now%hour), Pair: pair,
		What: fmt.Sprintf(format, args...)}
	w.result.Violations = append(w.result.Violations, v)
	w.say("VIOLATION %s: %s", pair, v.What)
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// hash continues a hash with words: FNV-1a.
func hash(h uint64, words ...string) uint64 {
	for _, word := range words {
		for i := range len(word) {
			h = (h ^ uint64(word[i])) * fnvPrime
		}
		h = (h ^ 0xff) * fnvPrime
	}
	return h
}

func hashNumber(h uint64, n int64) uint64 {
	for range 8 {
		h = (h ^ uint64(n&0xff)) * fnvPrime
		n >>= 8
	}
	return h
}

// note puts what happened into the trace.
func (w *world) note(h *host, what, key string, n int64) {
	r := hashNumber(hash(w.result.Hash, what, key), w.now)
	w.result.Hash = hashNumber(hashNumber(r, n), int64(h.no))
}
