package audit

import (
	"fmt"
	"strings"
	"time"
)

// fact is a row that calls for transfers, whatever its table: what its columns mean differs by kind.
type fact struct {
	ref, debtor, creditor int64
	amount                int64
	received              *int64
	state, period         string
	made, decided         *time.Time
}

// entry is a transfer that a fact calls for.
type entry struct {
	phase        string
	debit        string // kind of account; its owner is the fact's debtor
	credit       string
	amount       int64
	at           *time.Time // nil: at any time
	batch        string     // "": any running month's
	debitsNobody bool
}

// kind is a kind of transfer: the table of the rows that it books, how they are read (in order of ref), and what
// each calls for.
type kind struct {
	name, table, sql string
	calls            func(*auditor, *fact) []entry
}

func single(debit, credit string) func(*auditor, *fact) []entry {
	return func(_ *auditor, f *fact) []entry {
		return []entry{{phase: "single", debit: debit, credit: credit, amount: f.amount, at: f.made}}
	}
}

// settled is a single transfer of a month's settlement.
func settled(debit, credit string) func(*auditor, *fact) []entry {
	return func(a *auditor, f *fact) []entry {
		e := entry{phase: "single", debit: debit, credit: credit, amount: f.amount}
		e.batch, e.at, _ = a.settlementOf(f.period)
		return []entry{e}
	}
}

// kinds in the order of their names, in which transfers are read. The columns of each query are: ref, owner of the
// debit account, owner of the credit account, amount, received, state, period, made, decided.
var kinds = []kind{
	{"adoption", "claim", `
		select id, peer, peer, amount, null::bigint, '', '', created_at, null::timestamptz
		from claim where direction = 'out' and supersedes is null and adopted order by id`,
		single("recovery", "payable")},
	{"advance", "line_advance", `
		select x.id, coalesce(c.peer, 0), coalesce(l.member, 0), x.amount, null::bigint, '', '', v.created_at, null::timestamptz
		from line_advance x left join claim_line l on l.id = x.line left join claim c on c.id = l.claim left join advance v on v.id = x.advance
		order by x.id`,
		single("advance", "earned")},
	{"advance_loss", "write_off_line", `
		select x.id, 0::bigint, coalesce(o.peer, 0), x.lost, null::bigint, '', '', o.decided_at, null::timestamptz
		from write_off_line x left join write_off o on o.id = x.write_off where x.lost > 0 order by x.id`,
		single("loss", "advance")},
	{"advance_recovery", "line_allocation", fmt.Sprintf(linePayments, "coalesce(c.peer, 0), 0::bigint", "x.recovered"), single("advance", "loss")},
	{"allocation", "line_allocation", fmt.Sprintf(linePayments, "coalesce(l.member, 0), coalesce(x.member, 0)",
		"case when l.id is not null and l.member is null then 0 else x.amount - x.repaid end"), // nobody's money stands in recovery
		func(a *auditor, f *fact) []entry { return single("announced", f.state)(a, f) }},
	{"budget", "reservation", `
		select r.id, r.member, 0::bigint, r.amount, case when f.giver is null then 0 else 1 end::bigint, r.state,
		  r.period || coalesce('/' || q.part, ''), r.created_at, null::timestamptz
		from reservation r left join (select distinct giver, period from flattr where state = 'accepted') f
		  on f.giver = r.member and f.period = r.period left join pledge q on q.reservation = r.id order by r.id`,
		budgetCalls},
	{"chargeback", "reversal", reversals("chargeback"), ifAny(single("means", "bank"))},
	{"claim", "claim", `
		select id, 0::bigint, peer, amount, null::bigint, state, period || '/' || part, null::timestamptz, null::timestamptz
		from claim where direction = 'out' and supersedes is null and not adopted order by id`,
		settled("clearing", "payable")},
	{"deposit", "deposit", `
		select id, 0::bigint, member, amount, null::bigint, '', '', created_at, null::timestamptz from deposit order by id`,
		single("bank", "means")},
	{"donation", "donation", `
		select id, coalesce(member, 0), coalesce(cause, 0), amount, cause, source, coalesce(period, ''), created_at, null::timestamptz
		from donation order by id`,
		donationCalls},
	{"earning", "earning", `
		select id, 0::bigint, member, amount, null::bigint, '', period || '/' || part, null::timestamptz, null::timestamptz from earning order by id`,
		settled("clearing", "earned")},
	{"fee", "fee", `
		select f.id, f.member, 0::bigint, f.amount, null::bigint, '', coalesce(e.period || '/' || e.part, ''),
		  coalesce(y.answered_at, v.created_at), null::timestamptz
		from fee f left join earning e on e.id = f.earning left join line_allocation x on x.id = f.allocation left join payment y on y.id = x.payment
		left join line_advance w on w.id = f.advance left join advance v on v.id = w.advance order by f.id`,
		ifAny(feeCalls)},
	{"line", "claim_line", `
		select l.id, c.peer, coalesce(l.member, c.peer), l.amount, null::bigint,
		  case when l.member is null then 'recovery' else 'announced' end, '', c.answered_at, null::timestamptz
		from claim_line l join claim c on c.id = l.claim
		where c.direction = 'in' and c.state in ('accepted', 'confirmed') order by l.id`,
		lineCalls},
	{"loss", "reversal", `
		select id, 0::bigint, 0::bigint, lost, null::bigint, '', '', created_at, null::timestamptz from reversal order by id`,
		ifAny(single("loss", "bank"))},
	{"netting", "payment", nettings, nettingCalls},
	{"payment", "payment", outPayments, paymentCalls},
	{"payment_short", "payment", outPayments, shortCalls},
	{"payout", "withdrawal", `
		select id, 0::bigint, 0::bigint, amount, null::bigint, state, source, created_at, decided_at
		from withdrawal where source in ('cause', 'fee') order by id`,
		func(a *auditor, f *fact) []entry { return withdrawalCalls(f.period)(a, f) }},
	{"receipt", "payment", inPayments, receiptCalls},
	{"receipt_excess", "payment", inPayments, excessCalls},
	{"recovery", "claim", `
		select id, peer, peer, amount, null::bigint, '', '', null::timestamptz, null::timestamptz from claim where state = 'replaced'
		union all
		select c.id, c.peer, c.peer, sum(l.amount)::bigint, null, '', '', c.answered_at, null
		from claim c join claim_line l on l.claim = c.id and l.refused is not null
		where c.direction = 'out' and c.adopted group by c.id order by 1`,
		single("payable", "recovery")},
	{"refund", "withdrawal", `
		select id, member, 0::bigint, amount, null::bigint, state, '', created_at, decided_at from withdrawal where source = 'means' order by id`,
		withdrawalCalls("means")},
	{"reinstatement", "line_allocation", fmt.Sprintf(linePayments, "coalesce(c.peer, 0), coalesce(l.member, 0)", "x.reinstated"),
		single("receivable", "announced")},
	{"repayment", "line_allocation", fmt.Sprintf(linePayments, "coalesce(l.member, 0), coalesce(c.peer, 0)", "x.repaid"),
		single("announced", "advance")},
	{"return", "share_return", `
		select b.id, coalesce(c.peer, 0), b.giver, b.amount, null::bigint, '', '', b.created_at, null::timestamptz
		from share_return b left join claim c on c.id = b.claim order by b.id`,
		single("payable", "means")},
	{"reversal", "reversal", reversals("mistake"), ifAny(single("means", "bank"))},
	{"withdrawal", "withdrawal", `
		select id, member, 0::bigint, amount, null::bigint, state, '', created_at, decided_at from withdrawal where source = 'earned' order by id`,
		withdrawalCalls("earned")},
	{"write_off", "write_off_line", `
		select x.id, coalesce(l.member, 0), coalesce(o.peer, 0), x.amount, null::bigint, '', '', o.decided_at, null::timestamptz
		from write_off_line x left join claim_line l on l.id = x.line left join write_off o on o.id = x.write_off order by x.id`,
		single("announced", "receivable")},
}

// What came back answered after a restore is in a state of its own here. Whose a netting is stands for its month.
const (
	// linePayments are allocations to lines, with owners of accounts and an amount to be filled in.
	linePayments = `
		select x.id, %[1]s, %[2]s, null::bigint, case when x.member is null then 'cause' else 'earned' end, '', y.answered_at, null::timestamptz
		from line_allocation x left join claim_line l on l.id = x.line left join claim c on c.id = l.claim left join payment y on y.id = x.payment
		where %[2]s > 0 and (l.id is null or l.member is not null) order by x.id`
	outPayments = `
		select id, peer, 0::bigint, amount, received, case when adopted then 'returned' else state end, '', created_at, answered_at
		from payment where direction = 'out' and method <> 'netting' order by id`
	inPayments = `
		select id, 0::bigint, peer, amount, received, state, '', created_at, answered_at
		from payment where direction = 'in' and method <> 'netting' order by id`
	nettings = `
		select id, peer, peer, amount, received, case when adopted then 'returned' else state end, direction, created_at, answered_at
		from payment where method = 'netting' order by id`
)

// reversals are those of a cause.
func reversals(cause string) string {
	return `
		select v.id, coalesce(d.member, 0), 0::bigint, v.taken, null::bigint, '', '', v.created_at, null::timestamptz
		from reversal v left join deposit d on d.id = v.deposit where v.cause = '` + cause + `' order by v.id`
}

// budgetCalls: a reservation is held back, that of a pledge when it is paid; released, it gives way to another in the same month; settled, it
// is given, if its giver had an accepted flattr, else it rolls over, or goes to the cause if the month's policy is so.
func budgetCalls(a *auditor, f *fact) []entry {
	e := entry{phase: "pending", debit: "means", credit: "clearing", amount: f.amount, at: f.made, batch: f.period}
	period, _, promised := strings.Cut(f.period, "/")
	if promised { // it was held back when it was paid, in a later month
		e.batch = ""
	}
	done := e
	done.at = nil
	m := a.monthAt[period]
	batch, at, published := a.settlementOf(f.period)
	switch {
	case f.state == "released":
		done.phase = "void"
	case m == nil || !published:
		return []entry{e}
	default:
		done.phase, done.batch, done.at = "void", batch, at
		if f.received != nil && *f.received > 0 || m.unused == "cause" {
			done.phase = "post"
		}
	}
	return []entry{e, done}
}

// paymentCalls: an order holds the money back; what the peer found is paid, the rest is released.
func paymentCalls(_ *auditor, f *fact) []entry { return held(f, "bank") }

// lineCalls: what is for nobody here, because a database was lost, waits for its clearing up.
func lineCalls(_ *auditor, f *fact) []entry {
	return []entry{{phase: "single", debit: "receivable", credit: f.state, amount: f.amount, at: f.made}}
}

// nettingCalls: our proposal holds both sides' claims until it is answered; a peer's is booked when we accept it.
func nettingCalls(_ *auditor, f *fact) []entry {
	if f.period == "out" {
		return held(f, "receivable")
	}
	if f.state != "confirmed" {
		return nil
	}
	return []entry{{phase: "single", debit: "payable", credit: "receivable", amount: f.amount, at: f.decided}}
}

// held is a payment of ours. One that came back answered after a restore holds only what arrived, as the rest may be
// paid by another.
func held(f *fact, credit string) []entry {
	e := entry{phase: "pending", debit: "payable", credit: credit, amount: f.amount, at: f.made}
	if f.state == "returned" && f.received != nil {
		e.amount = min(f.amount, *f.received)
	} else if f.state == "returned" {
		return nil
	}
	done := e
	done.at = f.decided
	switch {
	case f.state == "returned":
		done.phase = "post"
	case f.state == "confirmed" && f.received != nil:
		done.phase, done.amount = "post", min(f.amount, *f.received)
	case f.state == "not_received" || f.state == "cancelled":
		done.phase = "void"
	default:
		return []entry{e}
	}
	return []entry{e, done}
}

// shortCalls: what the bank moved and the peer didn't find stands in suspense.
func shortCalls(_ *auditor, f *fact) []entry {
	if f.state != "confirmed" && f.state != "returned" || f.received == nil || *f.received >= f.amount {
		return nil
	}
	return []entry{{phase: "single", debit: "suspense", credit: "bank", amount: f.amount - *f.received, at: f.decided, debitsNobody: true}}
}

func receiptCalls(_ *auditor, f *fact) []entry {
	if f.state != "confirmed" || f.received == nil {
		return nil
	}
	return []entry{{phase: "single", debit: "bank", credit: "receivable", amount: min(f.amount, *f.received), at: f.decided}}
}

// excessCalls: what came beyond what was announced is the peer's credit.
func excessCalls(_ *auditor, f *fact) []entry {
	if f.state != "confirmed" || f.received == nil || *f.received <= f.amount {
		return nil
	}
	return []entry{{phase: "single", debit: "bank", credit: "peer_credit", amount: *f.received - f.amount, at: f.decided}}
}

// withdrawalCalls: a wish holds the money back; paid, it leaves by bank, refused, it is free again.
func withdrawalCalls(from string) func(*auditor, *fact) []entry {
	return func(_ *auditor, f *fact) []entry {
		e := entry{phase: "pending", debit: from, credit: "bank", amount: f.amount, at: f.made}
		done := e
		done.at = f.decided
		switch f.state {
		case "paid":
			done.phase = "post"
		case "refused":
			done.phase = "void"
		default:
			return []entry{e}
		}
		return []entry{e, done}
	}
}

// donationCalls: a month's unused budgets go to the cause in its settlement, what somebody left at once.
func donationCalls(a *auditor, f *fact) []entry {
	if f.state == "unused" {
		return settled("clearing", "cause")(a, f)
	}
	if f.received != nil {
		return single(f.state, "earned")(a, f)
	}
	return single(f.state, "cause")(a, f)
}

// feeCalls: the fee of an earning is taken in its month's settlement, that of a payment's part with it.
func feeCalls(a *auditor, f *fact) []entry {
	if f.period != "" {
		return settled("earned", "fee")(a, f)
	}
	return single("earned", "fee")(a, f)
}

// ifAny: a part of nothing calls for nothing.
func ifAny(calls func(*auditor, *fact) []entry) func(*auditor, *fact) []entry {
	return func(a *auditor, f *fact) []entry {
		if f.amount == 0 {
			return nil
		}
		return calls(a, f)
	}
}
