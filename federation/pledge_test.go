package federation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/ledger"
)

// TestSupplement: what a pledge month's givers pay late is a second claim of the month, with the next number and in place
// of none; each side owes what the other is owed.
func TestSupplement(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	to := townOf(t, federationtest.Host{Name: "a", Funding: ledger.FundingPledge})
	late := to.Member("a", "late")
	thing, err := to.a.Server.ResolveThing(ctx, to.thing)
	to.must(err)
	for giver, budget := range map[int64]int64{to.alice.ID: 1_000_000, late.ID: 2_500_000} {
		to.must(to.a.SetBudget(ctx, giver, budget))
		_, _, err := to.a.Flattr(ctx, giver, thing.ID)
		to.must(err)
	}
	to.Quiet()
	pays := func(name string, amount int64) {
		_, err := to.a.RecordDeposit(ctx, to.a.Op.ID, name, amount, "by "+name)
		to.must(err)
	}
	turn := func(at time.Time) {
		to.Clock.Set(at)
		to.Tick()
		to.Quiet()
	}
	turn(date(time.December, 1, 1))
	pays("alice", 1_000_000)
	turn(date(time.December, 2, 2))
	if n := count(t, to.b, `select count(*) from claim`); n != 0 {
		t.Fatalf("%d claims of what is only pledged", n)
	}
	turn(date(time.December, 15, 2))
	pays("late", 2_500_000)
	turn(date(time.January, 15, 2))
	for n, amount := range map[int]int64{1: 1_000_000, 2: 2_500_000} {
		iri := fmt.Sprintf("%s/claims/2026-11/%s/EUR/%d", to.a.Ledger.Instance().BaseURL, to.b.Ledger.Instance().Host, n)
		if got := count(t, to.b, `select amount from claim where iri = $1 and state = 'accepted' and supersedes is null`, iri); got != amount {
			t.Errorf("claim %d is of %d", n, got)
		}
		var body []byte
		to.must(to.b.Pool.QueryRow(ctx, `select body from document where id = $1`, iri).Scan(&body))
		agreement, _ := decode(t, body)["object"].(map[string]any)
		if old, said := agreement["fl:supersedes"]; !said || old != nil {
			t.Errorf("claim %d supersedes %v: %s", n, old, body)
		}
	}
	bob, err := to.b.Earned(ctx, to.bob.ID)
	to.must(err)
	if owed := count(t, to.a, `select sum(credits_posted - debits_posted)::bigint from account where kind = 'payable'`); owed != 3_500_000 || bob.Announced != owed {
		t.Errorf("a owes %d, bob is announced %d", owed, bob.Announced)
	}
}
