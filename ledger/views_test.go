package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestMyMonth: a giver's month adds up, settled or open.
func TestMyMonth(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{Uneven: true})
	ctx := context.Background()
	for _, c := range []struct {
		name, period               string
		state                      string
		budget, reserved           int64
		free                       int64
		counting, rolled, returned int64
	}{
		{"alice", "2026-11", "settled", 1_000_000, 1_000_000, 3_125_000, 8, 0, 125_000},
		{"alice", "2026-12", "settled", 1_000_000, 1_000_000, 3_125_000, 4, 0, 0},
		{"alice", "", "open", 1_000_000, 1_000_000, 3_125_000, 2, 0, 0},
		{"axel", "2026-11", "settled", 3_000_000, 3_000_000, 0, 0, 3_000_000, 0},
		{"dora", "2026-11", "settled", 800_000, 800_000, 800_000, 4, 0, 400_000},
		{"odd", "2026-11", "settled", 0, 1_000_000, 0, 3, 0, 0}, // has left since
		{"poor", "", "open", 0, 0, 0, 0, 0, 0},
	} {
		v, err := m.A.MyMonth(ctx, named(t, m.A, c.name).ID, c.period)
		if err != nil {
			t.Fatal(err)
		}
		var shares, returned, counting int64
		for _, line := range v.Lines {
			shares, returned = shares+line.Share, returned+line.Returned
			if line.Counts() {
				counting++
			}
		}
		want := ledger.MonthView{Budget: c.budget, Reserved: c.reserved, Free: c.free, Rolled: c.rolled, Returned: c.returned}
		if d := cmp.Diff(want, v, cmpopts.IgnoreFields(ledger.MonthView{}, "Month", "ClosesAt", "Lines")); d != "" || v.State != c.state {
			t.Errorf("%s %s is %s: %s", c.name, c.period, v.State, d)
		}
		if total := shares + v.Rolled; counting != c.counting || returned != c.returned || counting > 0 && total != c.reserved {
			t.Errorf("%s %s: %d flattrs, shares and what rolled over are %d, returned %d", c.name, c.period, counting, total, returned)
		}
		if !v.ClosesAt.Equal(ledger.PeriodEnd(v.Period)) {
			t.Errorf("%s closes at %v", v.Period, v.ClosesAt)
		}
	}
	months, err := m.A.MyMonths(ctx, named(t, m.A, "alice").ID)
	want := []ledger.MonthSummary{{Period: "2027-01", State: "open", Reserved: 1_000_000, Flattrs: 2}, {Period: "2026-12", State: "settled", Reserved: 1_000_000, Flattrs: 4},
		{Period: "2026-11", State: "settled", Reserved: 1_000_000, Flattrs: 8, Returned: 125_000}}
	if d := cmp.Diff(want, months); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
}

// TestProspect tells what a click would mean, and changes nothing.
func TestProspect(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice, bob := i.Join("alice"), i.Join("bob")
	_, first := i.Button(bob, "1")
	_, second := i.Button(bob, "2")
	ask := func(by, thing int64) ledger.Prospect {
		t.Helper()
		p, err := i.Prospect(ctx, by, thing)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if d := cmp.Diff(ledger.Prospect{Number: 1}, ask(alice.ID, first.ID)); d != "" {
		t.Errorf("without a budget: %s", d)
	}
	i.Fund(alice, 1_000_000)
	if d := cmp.Diff(ledger.Prospect{Number: 1, Each: 1_000_000, Funded: true}, ask(alice.ID, first.ID)); d != "" {
		t.Errorf("the first: %s", d)
	}
	f, _, err := i.Flattr(ctx, alice.ID, first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if p := ask(alice.ID, first.ID); p.Already == nil || p.Already.ID != f.ID {
		t.Errorf("already clicked: %+v", p)
	}
	if d := cmp.Diff(ledger.Prospect{Number: 2, Each: 500_000, Funded: true}, ask(alice.ID, second.ID)); d != "" {
		t.Errorf("the second: %s", d)
	}
	if p := ask(bob.ID, second.ID); !p.Own {
		t.Errorf("one's own: %+v", p)
	}
	if got, err := i.MyFlattr(ctx, alice.ID, f.ID); err != nil || got.State != ledger.Accepted {
		t.Errorf("%+v, %v", got, err)
	}
	for _, none := range []error{third(i.MyFlattr(ctx, bob.ID, f.ID)), third(i.MyFlattr(ctx, alice.ID, uuid.New()))} {
		if kind(none) != "not found" {
			t.Errorf("another's flattr: %v", none)
		}
	}
}

func third[T any](_ T, err error) error { return err }

// TestEarned: what a payee sees adds up to what the books say.
func TestEarned(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx := context.Background()
	bob := named(t, m.B, "bob")
	e, err := m.B.Earned(ctx, bob.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.Earnings{Pledged: 2, Announced: e.Announced, Available: e.Available, Requested: 120_000, Withdrawn: 100_000, Ageing: e.Ageing, Sources: []ledger.EarnedFrom{
		{"2026-12", "a.example", 3, 1_250_000, e.Sources[0].Available, e.Sources[0].Available * 333 / 10_000, 0, "confirmed"},
		{"2026-12", "d.example", 3, 70_000, 0, 0, 0, "accepted"},
		{"2026-11", "a.example", 4, 875_000, 875_000, 0, 0, "confirmed"},
		{"2026-11", "b.example", 1, 250_000, 250_000, 0, 0, "available"},
		{"2026-11", "c.example", 1, 250_000, 250_000, 0, 0, "confirmed"},
		{"2026-11", "d.example", 3, 300_000, 0, 0, 0, "accepted"},
		{"2026-11", "d.example", 3, 5_000, 0, 0, 0, "confirmed"},
	}}
	if d := cmp.Diff(want, e, cmpopts.SortSlices(func(a, b ledger.EarnedFrom) bool { return a.Amount < b.Amount })); d != "" {
		t.Error(d)
	}
	var amount, available int64
	for _, s := range e.Sources {
		amount, available = amount+s.Amount, available+s.Available
	}
	if e.Announced != amount-available || e.Available != available-e.Fee()-e.Requested-e.Withdrawn || e.Fee() == 0 {
		t.Errorf("announced %d, available %d; sources say %d and %d", e.Announced, e.Available, amount, available)
	}
	h, err := m.B.Holdings(ctx, bob.ID)
	if err != nil || h.Announced != e.Announced || h.Earned != e.Available+e.Requested || h.Closable() {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := m.B.Holdings(ctx, named(t, m.B, "gone").ID); err != nil || !h.Closable() {
		t.Errorf("one who left has %+v, %v", h, err)
	}
}

// TestTotals: what an instance owns is what it owes, and over all instances members have what they
// paid in, less what was paid out, what is on its way and what stands open between instances.
func TestTotals(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx := context.Background()
	for host, i := range m.Post {
		all, err := i.Totals(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if owns, owes := all.Bank+all.Receivable+all.Loss, all.MembersMoney()+all.Payable+all.Credit+all.Clearing+all.Suspense+all.Cause+all.Fee+all.Recovery; owns != owes {
			t.Errorf("%s owns %d and owes %d: %+v", host, owns, owes, all)
		}
		var members int64
		for _, id := range ledgertest.Collect[int64](t, i.Pool, `select id from member`) {
			h, err := i.Holdings(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			members += h.Means + h.Announced + h.Earned
		}
		if members != all.MembersMoney() {
			t.Errorf("%s: members have %d, all of them %d", host, members, all.MembersMoney())
		}
		deposits, err := i.Deposits(ctx)
		sum := int64(0)
		for _, d := range deposits {
			sum += d.Amount
		}
		if err != nil || sum != all.Deposited {
			t.Errorf("%s: deposits of %d, %v; in all %d", host, sum, err, all.Deposited)
		}
	}
}

// TestPositions: what one side owes the other is owed there, once everything has arrived.
func TestPositions(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ab, ba := positionOf(t, m.A, "b.example"), positionOf(t, m.B, "a.example")
	if ab.Payable != ba.Receivable || ba.Payable != ab.Receivable {
		t.Errorf("a: %+v\nb: %+v", ab, ba)
	}
	if ab.Credit != 1_000_000 || ba.InFlight != 750_000 {
		t.Errorf("credit %d, in flight %d", ab.Credit, ba.InFlight)
	}
	claims, err := m.A.Claims(context.Background())
	if err != nil || len(claims) == 0 {
		t.Fatal(err)
	}
	var open int64
	for _, c := range claims {
		if c.Direction == "out" && c.Host == "c.example" && (c.State == ledger.Offered || c.State == ledger.ClaimTaken) {
			open += c.Open()
		}
	}
	if ac := positionOf(t, m.A, "c.example"); ac.Payable-ac.InFlight != open {
		t.Errorf("%d owed and %d on its way; claims have %d open", ac.Payable, ac.InFlight, open)
	}
}

func positionOf(t *testing.T, i *ledgertest.Instance, host string) ledger.PeerPosition {
	t.Helper()
	all, err := i.PeerPositions(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Host == host {
			return p
		}
	}
	t.Fatalf("%s doesn't know %s", i.Instance().Host, host)
	return ledger.PeerPosition{}
}

// TestNumbers are what anybody may know.
func TestNumbers(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice, bob, gone := i.Join("alice"), i.Join("bob"), i.Join("gone")
	_, thing := i.Button(bob, "1")
	off, _ := i.Button(bob, "2")
	if err := i.RemoveButton(ctx, bob.ID, off.ID); err != nil {
		t.Fatal(err)
	}
	if err := i.DeleteMember(ctx, gone.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := i.Flattr(ctx, alice.ID, thing.ID); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		days            int
		month, halfyear int64
	}{{0, 1, 1}, {29, 1, 1}, {31, 0, 1}, {179, 0, 1}, {181, 0, 0}} {
		i.Clock.Set(ledgertest.Start.Add(time.Duration(c.days) * 24 * time.Hour))
		n, err := i.Numbers(ctx)
		if want := (ledger.Numbers{Members: 3, Buttons: 1, ActiveMonth: c.month, ActiveHalfyear: c.halfyear, Flattrs: 1}); n != want || err != nil {
			t.Errorf("after %d days: %+v, %v", c.days, n, err)
		}
	}
}
