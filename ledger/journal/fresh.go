package journal

// postFresh writes new transfers, single or pending, between accounts that are there, if none can break its sign
// rule: what nearly all batches are, in one statement. In every other case it writes nothing, and the long way
// finds out why. It locks as the long way does: accounts in id order, then keys.
//
// The parameters are prepared in Go. An account needs what the batch takes from it without what the batch gives
// it, so that it may be judged as a whole or entry by entry. The arrays are hidden behind SELECTs, because
// PostgreSQL, where it sees their length, plans the statement anew for each.
const (
	postFresh = takeFresh + keyFresh
	lateFresh = takeFresh + `, keyed as (` + keyFresh + ` returning transfer)
	select 1 / count(*) from keyed`
)

const takeFresh = `
	with named as (
	  select a.id, k.* from unnest((select $1::text[]), (select $2::bigint[]), (select $3::bigint[]), (select $4::bigint[]),
	      (select $5::bigint[]), (select $6::bigint[]), (select $7::bigint[])) with ordinality as k (kind, owner, d, c, dp, cp, need, n)
	  cross join lateral (select id from account a where a.kind = k.kind and a.owner = k.owner and a.currency = $8 offset 0) a),
	locked as (
	  select id, normal, debits_posted, credits_posted, debits_pending, credits_pending
	  from account where id = any (array(select id from named)) order by id for no key update),
	fit as (
	  select array_agg(n.id order by n.n) as ids from locked a join named n on n.id = a.id
	  having count(*) = cardinality($1::text[]) and bool_and(case normal
	      when 'C' then credits_posted - debits_posted - debits_pending >= need
	      when 'D' then debits_posted - credits_posted - credits_pending >= need else true end
	    and debits_posted <= 9223372036854775807 - d and credits_posted <= 9223372036854775807 - c
	    and debits_pending <= 9223372036854775807 - dp and credits_pending <= 9223372036854775807 - cp)
	  and not exists (
	    select from unnest((select $9::text[]), (select $10::bigint[]), (select $11::text[])) as k (kind, ref, phase)
	    cross join lateral (select from transfer_key h where h.kind = k.kind and h.ref = k.ref and h.phase = k.phase offset 0) h)),
	changed as (
	  update account a set
	    debits_posted = a.debits_posted + n.d, credits_posted = a.credits_posted + n.c,
	    debits_pending = a.debits_pending + n.dp, credits_pending = a.credits_pending + n.cp
	  from named n, fit where a.id = n.id and a.id = any (array(select id from named))),
	moved as (
	  insert into transfer (id, batch, kind, ref, phase, debit_account, credit_account, currency, amount, booked_at)
	  select nextval('transfer_id'), $15, e.kind, e.ref, e.phase, fit.ids[e.debit], fit.ids[e.credit], $8, e.amount, $16
	  from fit, unnest((select $9::text[]), (select $10::bigint[]), (select $11::text[]), (select $12::bigint[]), (select $13::bigint[]),
	    (select $14::bigint[])) as e (kind, ref, phase, debit, credit, amount)
	  returning kind, ref, phase, id, batch)`

const keyFresh = `
	insert into transfer_key (kind, ref, phase, transfer, batch)
	select kind, ref, phase, id, batch from moved order by ref, kind, phase`

// fresh are entries as postFresh's parameters, if they say all of themselves, no two have the same key, and their
// sums are in range.
func (b Book) fresh(entries []Entry) (args []any) {
	if len(entries) == 0 {
		return nil
	}
	kinds, owners := accounts(entries)
	named, all := make(map[Account]*account, len(kinds)), make([]*account, len(kinds))
	for i := range kinds {
		all[i] = &account{id: int64(i + 1), Account: Account{kinds[i], owners[i]}} // its place in the arrays
		named[all[i].Account] = all[i]
	}
	rows, seen := make([]row, len(entries)), make(map[key]bool, len(entries))
	for i, e := range entries {
		if e.resolves() || e.malformed() != nil || seen[e.key()] {
			return nil
		}
		seen[e.key()] = true
		rows[i] = row{Entry: e, debit: named[e.Debit], credit: named[e.Credit]}
		if !rows[i].add() || !rows[i].take() {
			return nil
		}
	}
	_, d, c, dp, cp := changes(all)
	needed := make([]int64, len(all))
	for i, a := range all {
		needed[i] = a.taken
	}
	keyKinds, refs, phases, debits, credits, amounts := columns(rows)
	return []any{kinds, owners, d, c, dp, cp, needed, b.Currency, keyKinds, refs, phases, debits, credits, amounts, b.Period, b.At}
}

// take adds up what accounts lose in their normal direction.
func (r row) take() bool {
	if normalOf(r.debit.Kind) == "C" {
		r.debit.taken += r.Amount
	}
	if normalOf(r.credit.Kind) == "D" {
		r.credit.taken += r.Amount
	}
	return r.debit.taken >= 0 && r.credit.taken >= 0
}

// normalOf is the side on which an account of a kind stands, as openAccounts says it.
func normalOf(kind string) string {
	switch kind {
	case Bank, Receivable, Advance, Loss:
		return "D"
	case Suspense, Recovery:
		return "B"
	}
	return "C"
}
