package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
