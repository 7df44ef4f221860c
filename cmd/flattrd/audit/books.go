package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// transfer is a row of transfer.
type transfer struct {
	id            int64
	batch, kind   string
	ref           int64
	phase         string
	debit, credit int64
	currency      string
	amount        int64
	booked        time.Time
	claimed       bool
}

func (t *transfer) at() Finding {
	return Finding{Table: "transfer", Key: fmt.Sprintf("%d/%s", t.id, t.batch)}
}

// transferKey is a row of transfer_key.
type transferKey struct {
	kind     string
	ref      int64
	phase    string
	transfer int64
	batch    string
}

const (
	allTransfers = `
		select id, batch, kind, ref, phase, debit_account, credit_account, currency, amount, booked_at
		from transfer order by kind collate "C", ref, phase collate "C", batch, id`
	allKeys = `
		select kind, ref, phase, transfer, batch from transfer_key order by kind collate "C", ref, phase collate "C"`
)

// books are transfers and keys, read beside the facts.
type books struct {
	a         *auditor
	transfers *cursor[transfer]
	keys      *cursor[transferKey]
}

// checkBooks matches transfers and facts one to one, and accounts with their transfers.
func (a *auditor) checkBooks(ctx context.Context) error {
	if err := a.readAccounts(ctx); err != nil {
		return err
	}
	b := &books{a: a,
		transfers: open(ctx, a, "transfer", allTransfers, func(t *transfer) []any {
			return []any{&t.id, &t.batch, &t.kind, &t.ref, &t.phase, &t.debit, &t.credit, &t.currency, &t.amount, &t.booked}
		}),
		keys: open(ctx, a, "key", allKeys, func(k *transferKey) []any {
			return []any{&k.kind, &k.ref, &k.phase, &k.transfer, &k.batch}
		})}
	for i := range kinds {
		if err := b.kind(ctx, &kinds[i]); err != nil {
			return err
		}
	}
	b.stray("", 0)
	b.strayKeys(nil)
	if err := errors.Join(b.transfers.close(), b.keys.close()); err != nil {
		return err
	}
	a.verified("transfers, each called for by one fact", b.transfers.count)
	a.verified("keys of transfers", b.keys.count)
	a.checkAccounts()
	a.checkOwedPeers()
	return nil
}

// kind goes through the facts of one kind.
func (b *books) kind(ctx context.Context, k *kind) error {
	facts := open(ctx, b.a, "fact", k.sql, func(f *fact) []any {
		return []any{&f.ref, &f.debtor, &f.creditor, &f.amount, &f.received, &f.state, &f.period, &f.made, &f.decided}
	})
	var group []transfer
	err := facts.each(func(f fact) {
		b.stray(k.name, f.ref)
		group = take(b.transfers, group[:0], func(t *transfer) bool { return t.kind == k.name && t.ref == f.ref })
		b.match(k, &f, group)
		b.sum(group)
	})
	b.a.verified(fmt.Sprintf("rows of %s, against transfers of kind %s", k.table, k.name), facts.count)
	return err
}

// stray are transfers before a fact (or, without one, all that is left) that no fact calls for.
func (b *books) stray(kind string, ref int64) {
	var group []transfer
	for t := b.transfers.head(); t != nil; t = b.transfers.head() {
		if kind != "" && cmp.Or(cmp.Compare(t.kind, kind), cmp.Compare(t.ref, ref)) >= 0 {
			return
		}
		of := *t
		group = take(b.transfers, group[:0], func(t *transfer) bool { return t.kind == of.kind && t.ref == of.ref })
		for i := range group {
			b.uncalled(&group[i], "no row calls for it: "+tableOf(of.kind)+fmt.Sprintf(" %d", of.ref))
		}
		b.sum(group)
	}
}

func tableOf(name string) string {
	for _, k := range kinds {
		if k.name == name {
			return k.table
		}
	}
	return name
}

func (b *books) uncalled(t *transfer, why string) {
	at := t.at()
	at.Expected, at.Found, at.Why = "none", fmt.Sprintf("%s %d %s of %d", t.kind, t.ref, t.phase, t.amount), why
	b.a.find(at)
}

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

// sum adds the transfers of one kind and id to their accounts. A post or void takes back the whole reservation.
func (b *books) sum(group []transfer) {
	var held *transfer
	for i := range group {
		t := &group[i]
		debit, credit := b.a.sumsOf(t.debit), b.a.sumsOf(t.credit)
		switch t.phase {
		case "pending":
			held = t
			debit.debitsPending += t.amount
			credit.creditsPending += t.amount
		case "post", "void":
			if held == nil {
				at := t.at()
				at.Column, at.Expected, at.Found = "phase", "a pending transfer before it", t.phase
				b.a.find(at)
			} else {
				debit.debitsPending -= held.amount
				credit.creditsPending -= held.amount
			}
		}
		if t.phase == "single" || t.phase == "post" {
			debit.debits += t.amount
			credit.credits += t.amount
		}
		b.key(t)
	}
}

// sumsOf is where an account is added up; of one that isn't there, nowhere.
func (a *auditor) sumsOf(id int64) *totals {
	if c := a.accounts[id]; c != nil {
		return &c.sum
	}
	return new(totals)
}

// key: a running transfer has its key, a settlement's has none.
func (b *books) key(t *transfer) {
	if strings.HasSuffix(t.batch, "/settlement") {
		return
	}
	b.strayKeys(t)
	k := b.keys.head()
	if k == nil || k.compare(t) != 0 {
		b.a.find(Finding{Table: "transfer_key", Key: fmt.Sprintf("%s/%d/%s", t.kind, t.ref, t.phase), Expected: fmt.Sprintf("transfer %d/%s", t.id, t.batch), Found: "none"})
		return
	}
	b.a.sameKey(k, t)
	b.keys.next()
}

func (a *auditor) sameKey(k *transferKey, t *transfer) {
	at := k.at()
	at.Why = fmt.Sprintf("transfer %d/%s", t.id, t.batch)
	same(a, at, "transfer", t.id, k.transfer)
	same(a, at, "batch", t.batch, k.batch)
}

func (k *transferKey) at() Finding {
	return Finding{Table: "transfer_key", Key: fmt.Sprintf("%s/%d/%s", k.kind, k.ref, k.phase)}
}

func (k *transferKey) compare(t *transfer) int {
	return cmp.Or(cmp.Compare(k.kind, t.kind), cmp.Compare(k.ref, t.ref), cmp.Compare(k.phase, t.phase))
}

// strayKeys are keys before a transfer's (or, without one, all that is left) that no running transfer has.
func (b *books) strayKeys(t *transfer) {
	for k := b.keys.head(); k != nil && (t == nil || k.compare(t) < 0); k = b.keys.head() {
		at := k.at()
		at.Expected, at.Found, at.Why = "a transfer", "none", fmt.Sprintf("transfer %d/%s", k.transfer, k.batch)
		b.a.find(at)
		b.keys.next()
	}
}
