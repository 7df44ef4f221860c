package federationtest

import (
	"context"
	"fmt"
)

// Faults checks what can only be seen of all instances together: between any two what one owes is what
// the other is owed (protocol §10.4), and members have what came in less what was paid out (protocol
// §10.6). It holds when nothing is on its way. Each instance's own books are checked when the test ends
// (ledgertest.NewOn).
func (w *World) Faults() []string {
	w.t.Helper()
	ctx := context.Background()
	var faults []string
	var members, in, out int64
	for _, i := range w.instances {
		totals, err := i.Totals(ctx)
		w.must(err)
		members, in, out = members+totals.Accounted(), in+totals.Deposited, out+totals.Withdrawn
	}
	for _, debt := range w.debts() {
		if debt.payable != debt.receivable {
			faults = append(faults, fmt.Sprintf("%s owes %s %d, which is owed %d", debt.from, debt.to, debt.payable, debt.receivable))
		}
	}
	if members != in-out {
		faults = append(faults, fmt.Sprintf("members have %d of %d paid in and %d paid out", members, in, out))
	}
	return faults
}

type debt struct {
	from, to            string
	payable, receivable int64
}

// debts pairs both sides' positions.
func (w *World) debts() []debt {
	w.t.Helper()
	all := map[pair]*debt{}
	at := func(from, to string) *debt {
		if all[pair{from, to}] == nil {
			all[pair{from, to}] = &debt{from: from, to: to}
		}
		return all[pair{from, to}]
	}
	for _, i := range w.instances {
		positions, err := i.PeerPositions(context.Background())
		w.must(err)
		me := i.Ledger.Instance().Host
		for _, p := range positions {
			at(me, p.Host).payable = p.Payable
			at(p.Host, me).receivable = p.Receivable
		}
	}
	var list []debt
	for _, d := range all {
		list = append(list, *d)
	}
	return list
}
