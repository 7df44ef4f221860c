package audit

import "fmt"

// match compares what a fact calls for with the transfers of its kind and id.
func (b *books) match(k *kind, f *fact, group []transfer) {
	row := fmt.Sprintf("%s %d", k.table, f.ref)
	for _, e := range k.calls(b.a, f) {
		i := 0
		for i < len(group) && (group[i].phase != e.phase || group[i].claimed) {
			i++
		}
		if i == len(group) {
			b.a.find(Finding{Table: k.table, Key: fmt.Sprint(f.ref), Expected: fmt.Sprintf("a transfer: %s %d %s of %d", k.name, f.ref, e.phase, e.amount), Found: "none"})
			continue
		}
		group[i].claimed = true
		b.compare(&group[i], f, e, row)
	}
	for i := range group {
		if !group[i].claimed {
			b.uncalled(&group[i], row+" doesn't call for it")
		}
	}
}

// compare holds a transfer to what a fact calls for.
func (b *books) compare(t *transfer, f *fact, e entry, row string) {
	at := t.at()
	at.Why = "it books " + row
	debtor := f.debtor
	if e.debitsNobody {
		debtor = 0
	}
	a := b.a
	same(a, at, "amount", e.amount, t.amount)
	a.sameAccount(at, "debit_account", e.debit, debtor, t.debit)
	a.sameAccount(at, "credit_account", e.credit, f.creditor, t.credit)
	same(a, at, "currency", a.inst.currency, t.currency)
	if e.at != nil {
		same(a, at, "booked_at", e.at.UTC().String(), t.booked.UTC().String())
	}
	if e.batch != "" {
		same(a, at, "batch", e.batch, t.batch)
	} else if _, month := a.monthAt[t.batch]; !month {
		at.Column, at.Expected, at.Found = "batch", "a month", t.batch
		a.find(at)
	}
}

func (a *auditor) sameAccount(at Finding, column, kind string, owner, found int64) {
	c := a.accounts[found]
	if c != nil && c.kind == kind && c.owner == owner {
		return
	}
	at.Column, at.Expected, at.Found = column, fmt.Sprintf("%s of %d", kind, owner), fmt.Sprintf("account %d", found)
	if c != nil {
		at.Found += fmt.Sprintf(", %s of %d", c.kind, c.owner)
	}
	a.find(at)
}

// uncalled is a transfer that no fact calls for.
func (b *books) uncalled(t *transfer, why string) {
	at := t.at()
	at.Expected, at.Found, at.Why = "none", fmt.Sprintf("%s %d %s of %d", t.kind, t.ref, t.phase, t.amount), why
	b.a.find(at)
}
