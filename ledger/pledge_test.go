package ledger_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// promise is an instance whose budgets are pledges.
type promise struct {
	*ledgertest.Instance
	t *testing.T
}

func promising(t *testing.T, set func(*ledger.Instance)) promise {
	return promise{ledgertest.New(t, ledgertest.Policy(func(i *ledger.Instance) {
		i.Funding = ledger.FundingPledge
		if set != nil {
			set(i)
		}
	})), t}
}

func (p promise) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p promise) pays(m ledger.Member, amount int64) {
	p.t.Helper()
	_, err := p.RecordDeposit(context.Background(), p.Op.ID, m.Name, amount, fmt.Sprint(m.Name, " at ", p.Clock.Now()))
	p.must(err)
}

func (p promise) flattr(giver ledger.Member, thing ledger.Thing) (state string) {
	p.t.Helper()
	f, _, err := p.Flattr(context.Background(), giver.ID, thing.ID)
	p.must(err)
	return f.State
}

func (p promise) turn(year int, month time.Month, day int) {
	p.t.Helper()
	p.Clock.Set(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
	p.must(p.Tick(context.Background()))
}

func (p promise) balance(kind string, of ledger.Member) int64 {
	p.t.Helper()
	b, err := journal.BalanceOf(context.Background(), p.Pool, journal.Account{Kind: kind, Owner: of.ID}, "EUR")
	p.must(err)
	return b.Posted
}

// TestPledgersGive: where only those who give may receive, it takes a pledge that runs, and that the last was paid
// (protocol §4).
func TestPledgersGive(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := promising(t, func(i *ledger.Instance) { i.Reciprocity = ledger.ReciprocityRequired })
	alice, bob := p.Join("alice"), p.Join("bob")
	_, ofBob := p.Button(bob, "1")
	for _, m := range []ledger.Member{alice, bob} {
		p.must(p.SetBudget(ctx, m.ID, 1_000_000))
	}
	state := func(thing ledger.Thing, giver ledger.Member) string {
		months, err := p.Months(ctx)
		p.must(err)
		v, err := p.MyMonth(ctx, giver.ID, months[1].Period)
		p.must(err)
		for _, l := range v.Lines {
			if l.Thing == thing.ID {
				return l.State
			}
		}
		return "none"
	}
	if got := p.flattr(alice, ofBob); got != ledger.Held {
		t.Errorf("bob has promised, and paid nothing yet: %s", got)
	}
	p.turn(2026, 12, 1)
	if got := state(ofBob, alice); got != ledger.Rejected {
		t.Errorf("at the close: %s", got)
	}
	_, other := p.Button(p.Join("carl"), "1") // gives nothing
	p.flattr(bob, other)
	p.turn(2026, 12, 15) // of November nothing is asked: no flattr took a share
	p.flattr(alice, ofBob)
	p.turn(2027, 1, 1)
	p.turn(2027, 1, 2)
	if got := state(ofBob, alice); got != ledger.Rejected {
		t.Errorf("nobody has paid anything yet: %s", got)
	}

	// What was reserved before pledges came counts as paid; what was promised since and isn't paid doesn't.
	q := promise{ledgertest.New(t, ledgertest.Reciprocity(ledger.ReciprocityRequired)), t}
	anna, bert, cora := q.Join("anna"), q.Join("bert"), q.Join("cora")
	_, ofBert := q.Button(bert, "1")
	_, ofCora := q.Button(cora, "1")
	for _, m := range []ledger.Member{anna, bert, cora} {
		q.pays(m, 1_000_000)
		q.must(q.SetBudget(ctx, m.ID, 1_000_000))
	}
	q.flattr(bert, ofCora)
	q.flattr(cora, ofBert)
	_, err := q.Pool.Exec(ctx, `update instance set funding = 'pledge'`)
	q.must(err)
	q.turn(2026, 12, 1)
	q.turn(2026, 12, 2)
	if one, two := q.flattr(anna, ofBert), q.flattr(bert, ofCora); one != ledger.Accepted || two != ledger.Accepted {
		t.Errorf("bert and cora have paid for November: %s, %s", one, two)
	}
	q.turn(2027, 1, 1)
	q.flattr(bert, ofCora) // in January
	q.turn(2027, 1, 15)    // bert hasn't paid for December
	_, more := q.Button(bert, "2")
	if got := q.flattr(anna, more); got != ledger.Held {
		t.Errorf("bert has broken his word: %s", got)
	}
}

// TestPledgeSupplements: what is paid late reaches a payee who has left, as what others pay later does; a part that a
// crash has left closed is settled by the next tick; and who has void pledges behind can give again.
func TestPledgeSupplements(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := promising(t, nil)
	alice, anna, axel, bob := p.Join("alice"), p.Join("anna"), p.Join("axel"), p.Join("bob")
	_, thing := p.Button(bob, "1")
	for _, m := range []ledger.Member{alice, anna, axel} {
		p.must(p.SetBudget(ctx, m.ID, 1_000_000))
		p.flattr(m, thing)
	}
	p.turn(2026, 12, 1)
	p.pays(alice, 1_000_000)
	p.turn(2026, 12, 15)
	if got := p.balance(journal.Earned, bob); got != 1_000_000 {
		t.Errorf("bob earned %d in time", got)
	}
	p.Clock.Set(p.Clock.Now().Add(time.Hour))
	p.must(p.Leave(ctx, bob.ID, ledger.Leaving{Give: true}))
	p.pays(anna, 1_000_000)
	p.turn(2027, 1, 15)
	if got := p.balance(journal.Earned, bob); got != 0 {
		t.Errorf("bob, who has left, has %d", got)
	}
	if cause, err := journal.BalanceOf(ctx, p.Pool, journal.Account{Kind: journal.Cause}, "EUR"); err != nil || cause.Posted != 2_000_000 {
		t.Errorf("the cause got %d, %v", cause.Posted, err)
	}
	p.pays(axel, 1_000_000)
	p.turn(2027, 2, 14)
	if _, err := p.Pool.Exec(ctx, `
		with r as (insert into reservation (member, period, amount, state, created_at)
		  select member, period, amount, 'reserved', '2027-02-15' from pledge where member = $1 and period = '2026-11' returning id, member),
		q as (update pledge q set state = 'collected', part = 2, reservation = r.id, decided_at = '2027-02-15' from r
		  where q.member = r.member and q.period = '2026-11' returning q.reservation)
		select from q`, axel.ID); err != nil {
		t.Fatal(err)
	}
	p.must(p.crashed(axel))
	p.turn(2027, 2, 15)
	p.turn(2027, 2, 15) // once more changes nothing
	if got := p.balance(journal.Means, axel); got != 0 {
		t.Errorf("axel's means are %d", got)
	}
}

// crashed books what a process had when it died behind the closing of part 2.
func (p promise) crashed(giver ledger.Member) error {
	ctx := context.Background()
	tx, err := p.Pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	var id int64
	if err := tx.QueryRow(ctx, `select reservation from pledge where member = $1 and period = '2026-11'`, giver.ID).Scan(&id); err != nil {
		return err
	}
	at := time.Date(2027, 2, 15, 0, 0, 0, 0, time.UTC)
	if err := journal.Post(ctx, journal.Book{Tx: tx, At: at, Period: "2027-02", Currency: "EUR"}, journal.Entry{Kind: "budget", Ref: id,
		Phase: journal.Pending, Debit: journal.Account{Kind: journal.Means, Owner: giver.ID}, Credit: journal.Account{Kind: journal.Clearing}, Amount: 1_000_000}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `create table share_2026_11_2 (like share)`); err != nil { // and what it was building
		return err
	}
	if _, err := tx.Exec(ctx, `
		insert into collection (period, part, givers, amount, open, digest, created_at)
		select '2026-11', 2, 1, 1000000, 0, digest, $1 from collection where period = '2026-11' and part = 0`, at); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// TestPledgesFirst: when budgets are paid before again, what was promised before comes first.
func TestPledgesFirst(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := promising(t, nil)
	alice, bob := p.Join("alice"), p.Join("bob")
	_, thing := p.Button(bob, "1")
	p.must(p.SetBudget(ctx, alice.ID, 2_000_000))
	p.flattr(alice, thing)
	if _, err := p.Pool.Exec(ctx, `update instance set funding = 'prepaid'`); err != nil {
		t.Fatal(err)
	}
	p.turn(2026, 12, 1)
	p.pays(alice, 3_000_000)
	reserved := func() int64 {
		v, err := p.MyMonth(ctx, alice.ID, "")
		p.must(err)
		return v.Reserved
	}
	if got := reserved(); got != 1_000_000 {
		t.Errorf("beside the pledge %d is reserved", got)
	}
	p.turn(2026, 12, 15)
	p.pays(alice, 5_000_000)
	if got, earned := reserved(), p.balance(journal.Earned, bob); got != 2_000_000 || earned != 2_000_000 {
		t.Errorf("when it is paid, %d is reserved, and bob has %d", got, earned)
	}
}
