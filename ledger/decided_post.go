package ledger

import (
	"context"

	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/pair"
)

// post books a decision's postings at once. The givers whose means grow by it are w.givers then.
func (w *decided) post(ctx context.Context, d pair.Decision) error {
	var entries []journal.Entry
	early := advances{claim: -1}
	for _, p := range d.Post {
		var more []journal.Entry
		var freed int64
		err := error(nil)
		if p.Kind == pair.Announce || p.Kind == pair.Available {
			err = w.lockID(ctx, advancesOf(w.peer.ID))
		}
		claim := w.claims[p.Key]
		switch {
		case err != nil:
		case p.Kind == pair.Announce:
			more, err = w.lineEntries(ctx, claim, w.peer.ID)
			early.claim = claim
		case p.Kind == pair.GiveBack:
			more, w.givers, err = w.returnShares(ctx, claim, w.peer.ID)
		case p.Kind == pair.Available:
			more, freed, err = w.allocateLines(ctx, w.peer.ID, w.payments[d.Payments[0].IRI], claim, p.Amount)
			early.claim, early.freed = 0, early.freed+freed
		default:
			more = w.entries(d, p)
		}
		if err != nil {
			return err
		}
		entries = append(entries, more...)
	}
	fees, err := w.takeFees(ctx, w.got)
	if err != nil {
		return err
	}
	entries = append(entries, fees...)
	if early.claim >= 0 { // a claim that is accepted, or room that a payment has made
		more, err := w.advance(ctx, w.peer.ID, early.claim, early.freed)
		if err != nil {
			return err
		}
		entries = append(entries, more...)
	}
	failpoint(w.step + ".judged")
	if len(entries) > 0 {
		if err := booked(journal.Post(ctx, w.book(w.open), entries...)); err != nil {
			return err
		}
	}
	failpoint(w.step + ".posted")
	return nil
}

// entries are the transfers of a posting that is one amount between two accounts of the pair.
func (w *decided) entries(d pair.Decision, p pair.Posting) []journal.Entry {
	claim, payment, peer := w.claims[p.Key], w.payments[p.Key], w.peer.ID
	if p.Key == "" {
		claim = p.Row
	}
	payable, receivable := of(journal.Payable, peer), of(journal.Receivable, peer)
	switch p.Kind {
	case pair.Recover:
		return single(kindRecovery, claim, payable, of(journal.Recovery, peer), p.Amount)
	case pair.Adopt:
		return single(kindAdoption, claim, of(journal.Recovery, peer), payable, p.Amount)
	case pair.Reserve:
		return pending(kindPayment, payment, payable, bank(), p.Amount)
	case pair.NetHold:
		return pending(kindNetting, payment, payable, receivable, p.Amount)
	case pair.NetOut:
		return single(kindNetting, payment, payable, receivable, p.Amount)
	case pair.Void:
		return []journal.Entry{{Kind: kindOf(d.Payments[0]), Ref: payment, Phase: journal.Void}}
	case pair.Settle:
		return settleEntries(d.Payments[0], payment, p.Amount)
	case pair.Arrive:
		return arriveEntries(d.Payments[0], payment, peer)
	}
	panic("ledger: internal error: no posting of kind " + string(p.Kind))
}

func pending(kind string, ref int64, debit, credit journal.Account, amount int64) []journal.Entry {
	return []journal.Entry{{Kind: kind, Ref: ref, Phase: journal.Pending, Debit: debit, Credit: credit, Amount: amount}}
}

func single(kind string, ref int64, debit, credit journal.Account, amount int64) []journal.Entry {
	return []journal.Entry{{Kind: kind, Ref: ref, Phase: journal.Single, Debit: debit, Credit: credit, Amount: amount}}
}

func kindOf(y pair.Payment) string {
	if y.Method == pair.Netting {
		return kindNetting
	}
	return kindPayment
}

// settleEntries posts what a payment of ours has reserved, as far as it arrived. What a bank took from us and the
// peer hasn't found stands in suspense until the operator finds it.
func settleEntries(y pair.Payment, payment, credited int64) []journal.Entry {
	entries := []journal.Entry{{Kind: kindOf(y), Ref: payment, Phase: journal.Posted, Amount: credited}}
	if short := y.Amount - credited; short > 0 {
		entries = append(entries, single(kindPaymentShort, payment, of(journal.Suspense, 0), bank(), short)...)
	}
	return entries
}

// arriveEntries takes what arrived; what is more than the peer owed is its credit.
func arriveEntries(y pair.Payment, payment, peer int64) []journal.Entry {
	credited := min(y.Received, y.Amount)
	entries := single(kindReceipt, payment, bank(), of(journal.Receivable, peer), credited)
	if excess := y.Received - credited; excess > 0 {
		entries = append(entries, single(kindReceiptExcess, payment, bank(), of(journal.PeerCredit, peer), excess)...)
	}
	return entries
}
