package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// decided carries a decision of package pair out, in one transaction: what it says of claims and payments is
// stored, its postings are booked, its messages told.
type decided struct {
	*Tx
	step     string // claim | answer | payment: names the failpoints
	peer     Peer
	open     string                 // the month that is booked in
	lines    []ClaimLine            // a new claim's are of these
	from     map[string][]ClaimLine // or of these, by the claim that it supersedes
	paidAt   *time.Time             // of a new payment
	by       *int64                 // the operator who orders it
	claims   map[string]int64       // rows by IRI, of what the decision names
	payments map[string]int64       // the same
	got      []available            // what becomes payees' by what is posted
	givers   []int64                // whose means grow by what is posted
}

// result is what a decision says to its caller: a fault as *ClaimFault, of which nothing is done, and a conflict as
// ErrConflict, with which everything is done.
func result(d pair.Decision) (conflict, fault error) {
	if d.Fault != nil {
		return nil, &ClaimFault{Code: d.Fault.Code, Detail: d.Fault.Detail}
	}
	if d.Conflict != "" {
		conflict = fmt.Errorf("%w: %s", ErrConflict, d.Conflict)
	}
	return conflict, nil
}

// store stores claims and payments as they stand now, and tells what is to be told. post comes after it: both are
// called by the use case itself, so that few functions stand between an inbox and its statements.
func (w *decided) store(ctx context.Context, d pair.Decision) (err error) {
	w.claims, w.payments = map[string]int64{}, map[string]int64{}
	if d.Freeze != "" {
		err = w.freeze(ctx, w.peer.ID, d.Freeze)
	}
	for _, c := range d.Claims {
		if err == nil && c.Row == 0 {
			c.Row, err = w.insertClaim(ctx, w.newClaim(c), w.linesOf(c))
		} else if err == nil {
			err = w.updateClaim(ctx, c)
		}
		w.claims[c.IRI] = c.Row
	}
	for _, y := range d.Payments {
		if err == nil && y.Row == 0 {
			y.Row, err = w.insertPayment(ctx, y)
		} else if err == nil {
			err = w.updatePayment(ctx, y)
		}
		w.payments[y.IRI] = y.Row
	}
	for _, m := range d.Tell {
		w.tell(Message{Kind: m.What, Key: m.Key, To: w.peer.Host})
	}
	failpoint(w.step + ".stored")
	return taken(err)
}

// taken says that another row has the key.
func taken(err error) error {
	if isUnique(err) {
		return &ClaimFault{Code: "malformed", Detail: "the month's n, or the reference, is taken by another id"}
	}
	return err
}
