package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

func of(micro int64) *int64 { return &micro }

func november(t *testing.T, i *ledgertest.Instance) ledger.PublicTotals {
	t.Helper()
	p, err := i.PublicTotals(context.Background(), "2026-11")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func diffSums(want, got ledger.PublicTotals) string {
	return cmp.Diff(want, got, cmpopts.IgnoreFields(ledger.PublicTotals{}, "Period", "SettledAt", "UpdatedAt"))
}

// TestPublicTotals: what is told of a month over enough members, and how claims move.
func TestPublicTotals(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	post := ledgertest.PlayCrowd(t, ledgertest.Crowd{Givers: 3, Idle: 3, Here: 3, There: 3})
	a, b := post["a.example"], post["b.example"]
	want := ledger.PublicTotals{Givers: 6, Flattrs: of(18), Reserved: of(12_000_000), Shared: of(9_000_000), Rolled: of(3_000_000),
		Here: of(4_500_000), Elsewhere: of(4_500_000), Offered: of(4_500_000), Accepted: of(0), Confirmed: of(0), Returned: of(0),
		Owed: of(0), Received: of(0)}
	first := november(t, a)
	if d := diffSums(want, first); d != "" || !first.UpdatedAt.Equal(first.SettledAt) {
		t.Errorf("settled: %s", d)
	}
	a.Clock.Set(a.Clock.Now().Add(time.Hour))
	post.Deliver(t)
	want.Offered, want.Accepted, want.Owed = of(0), of(4_500_000), of(9_000_000)
	second := november(t, a)
	if d := diffSums(want, second); d != "" || !second.UpdatedAt.Equal(a.Clock.Now()) {
		t.Errorf("accepted: %s", d)
	}
	if again := november(t, a); !cmp.Equal(second, again) {
		t.Errorf("read again: %s", cmp.Diff(second, again))
	}
	if err := a.SetThreshold(ctx, a.Op.ID, "b.example", 10_000); err != nil {
		t.Fatal(err)
	}
	y, err := a.PreparePayment(ctx, a.Op.ID, "b.example")
	if err == nil {
		err = a.PaymentSent(ctx, a.Op.ID, y.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	post.Deliver(t)
	open, err := b.OpenPayments(ctx, 1)
	if err == nil {
		err = b.ConfirmPayment(ctx, b.Op.ID, open[0].Payments[0].ID, y.Amount)
	}
	if err != nil {
		t.Fatal(err)
	}
	post.Deliver(t)
	want.Accepted, want.Confirmed = of(0), of(4_500_000)
	if d := diffSums(want, november(t, a)); d != "" {
		t.Errorf("paid: %s", d)
	}
	theirs := november(t, b)
	if *theirs.Owed != 4_500_000 || *theirs.Received != 4_500_000 || *theirs.Elsewhere != 9_000_000 || *theirs.Here != 0 {
		t.Errorf("the other side: %+v", theirs)
	}
	months, err := a.PublicMonths(ctx, "", 10)
	if err != nil || len(months) != 1 || *months[0].Reserved != 12_000_000 {
		t.Errorf("%+v, %v", months, err)
	}
	for _, none := range []string{"2026-12", "2026-10", "x"} {
		if _, err := a.PublicTotals(ctx, none); kind(err) != "not found" {
			t.Errorf("%s: %v", none, err)
		}
	}
}

// TestPublicTotalsOfFew: no sum over fewer than three members is told, and none that would show one by
// subtraction.
func TestPublicTotalsOfFew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		crowd ledgertest.Crowd
		want  ledger.PublicTotals
	}{
		"two givers": {ledgertest.Crowd{Givers: 2, Here: 3, There: 3}, ledger.PublicTotals{Givers: 2}},
		"two givers among five": {ledgertest.Crowd{Givers: 2, Idle: 3, Here: 3, There: 3},
			ledger.PublicTotals{Givers: 5, Reserved: of(9_000_000)}},
		"two idle": {ledgertest.Crowd{Givers: 3, Idle: 2, Here: 3, There: 3},
			ledger.PublicTotals{Givers: 5, Reserved: of(11_000_000), Owed: of(9_000_000), Received: of(0)}},
		"two payees there": {ledgertest.Crowd{Givers: 3, Here: 3, There: 2},
			ledger.PublicTotals{Givers: 3, Flattrs: of(15), Reserved: of(9_000_000), Shared: of(9_000_000), Rolled: of(0),
				Owed: of(9_000_000), Received: of(0)}},
		"two payees here": {ledgertest.Crowd{Givers: 3, Here: 2, There: 3},
			ledger.PublicTotals{Givers: 3, Flattrs: of(15), Reserved: of(9_000_000), Shared: of(9_000_000), Rolled: of(0)}},
		"two payees": {ledgertest.Crowd{Givers: 3, There: 2},
			ledger.PublicTotals{Givers: 3, Reserved: of(9_000_000), Owed: of(0), Received: of(0)}},
		"one who left": {ledgertest.Crowd{Givers: 3, There: 4, Leaves: true},
			ledger.PublicTotals{Givers: 3, Flattrs: of(12), Reserved: of(9_000_000), Shared: of(9_000_000), Rolled: of(0),
				Here: of(0), Elsewhere: of(9_000_000), Owed: of(0), Received: of(0)}},
		"nobody": {ledgertest.Crowd{}, ledger.PublicTotals{Flattrs: of(0), Reserved: of(0), Shared: of(0), Rolled: of(0), Here: of(0),
			Elsewhere: of(0), Offered: of(0), Accepted: of(0), Confirmed: of(0), Returned: of(0), Owed: of(0), Received: of(0)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			post := ledgertest.PlayCrowd(t, c.crowd)
			post.Deliver(t)
			if d := diffSums(c.want, november(t, post["a.example"])); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestPublicTotalsOfPledges: two payees here whom givers pay in three parts of a settlement are two, not six.
func TestPublicTotalsOfPledges(t *testing.T) {
	t.Parallel()
	ctx, p := context.Background(), promising(t, nil)
	var things []ledger.Thing
	for _, name := range []string{"ben", "bea"} {
		_, thing := p.Button(p.Join(name), "1")
		things = append(things, thing)
	}
	for _, name := range []string{"xena", "yuri", "zoe"} {
		iri := "https://d.example/buttons/" + name
		thing, err := p.SaveThing(ctx, ledger.RemoteThing{IRI: iri, URL: iri, Title: name, Payee: "https://d.example/users/" + name,
			PayeeName: name, Host: "d.example"})
		p.must(err)
		things = append(things, thing)
	}
	var givers []ledger.Member
	for _, name := range []string{"alice", "anna", "axel"} {
		giver := p.Join(name)
		p.must(p.SetBudget(ctx, giver.ID, 2_000_000))
		for _, thing := range things {
			f, _, err := p.Flattr(ctx, giver.ID, thing.ID)
			p.must(err)
			if f.State == ledger.Sent {
				p.must(p.FlattrAnswered(ctx, ledger.Verdict{Like: p.Instance.Instance().FlattrIRI(f.ID.String()), Host: "d.example",
					Actor: "https://d.example/actor", Answer: "accept"}))
			}
		}
		givers = append(givers, giver)
	}
	p.turn(2026, 12, 1)
	p.pays(givers[0], 2_000_000)
	p.turn(2026, 12, 15)
	p.pays(givers[1], 2_000_000)
	p.turn(2027, 1, 15)
	p.pays(givers[2], 2_000_000)
	p.turn(2027, 2, 15)
	p.turn(2027, 3, 15)
	want := ledger.PublicTotals{Givers: 3, Flattrs: of(15), Reserved: of(6_000_000), Shared: of(6_000_000), Rolled: of(0), Owed: of(0), Received: of(0)}
	if d := diffSums(want, november(t, p.Instance)); d != "" {
		t.Error(d)
	}
}
