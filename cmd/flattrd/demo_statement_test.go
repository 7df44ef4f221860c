package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// A demo that begins two seconds before the month ends plays the next one; and whatever is wrong with
// the books afterwards, on one instance or between two, makes it fail by name.
func TestDemoStatement(t *testing.T) {
	t.Parallel()
	play := playedAtMonthEnd(t)
	ctx := t.Context()
	s, err := play.statement(ctx)
	if err != nil {
		t.Fatal(err)
	}
	isTheMonth(t, s)
	undone := strings.Replace(play.buttons["carla/2"], "/f/", "/buttons/", 1)
	for _, g := range s.Givers {
		for _, share := range g.Shares {
			if nameOf(g.Giver) == "dave" && share.Thing == undone {
				t.Errorf("the flattr that was undone got %d", share.Amount)
			}
		}
	}
	if err := (demoCommand{}).finish(io.Discard, s); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ alter, back, says string }{
		{`update share set amount = amount + 1 where (giver, thing, period) = (select giver, thing, period from share order by 1, 2, 3 limit 1)`,
			`update share set amount = amount - 1 where (giver, thing, period) = (select giver, thing, period from share order by 1, 2, 3 limit 1)`, "a.localhost"},
		{`update account set credits_posted = credits_posted + 10000 where kind = 'payable'`,
			`update account set credits_posted = credits_posted - 10000 where kind = 'payable'`, "owes"},
		{`update account set credits_posted = credits_posted + 10000 where kind = 'means'`,
			`update account set credits_posted = credits_posted - 10000 where kind = 'means'`, "members have"},
		{`update claim set state = 'accepted', confirmed_at = null where direction = 'out' and state = 'confirmed'`,
			``, "is accepted"},
	} {
		super := ledgertest.Superuser(t, play.instances[0].pool)
		if done, err := super.Exec(ctx, c.alter); err != nil || done.RowsAffected() == 0 {
			t.Fatalf("%s: %v", c.alter, err)
		}
		s, err := play.statement(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		err = demoCommand{}.finish(&out, s)
		if !errors.Is(err, ledger.ErrInvariant) || !strings.Contains(err.Error(), c.says) || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: %v", c.alter, err)
		}
		if c.back == "" {
			break
		}
		if _, err := super.Exec(ctx, c.back); err != nil {
			t.Fatal(err)
		}
	}
}

// playedAtMonthEnd plays the demo in this process.
func playedAtMonthEnd(t *testing.T) *demo {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w, err := newWorld(ctx, &Database{DatabaseURL: ledgertest.ServerDSN(t), Data: t.TempDir()}, 0, true)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	served := make(chan error, 1)
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		w.dropAll(context.Background())
		w.close()
	})
	now := w.clock.Now()
	next := ledger.PeriodEnd(ledger.PeriodOf(now))
	err = errors.Join(w.clock.Turn(next.Sub(now)-2*time.Second), w.leaveMonthEnd(ctx))
	go func() { served <- w.serve(ctx, func() {}, nil) }()
	play := &demo{world: w, out: io.Discard, people: map[string]*person{}, buttons: map[string]string{}}
	if err == nil {
		_, err = play.run(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	if play.month != ledger.PeriodOf(next) {
		t.Errorf("the demo played %s, want %s", play.month, ledger.PeriodOf(next))
	}
	return play
}

// What only the statement shows: budgets that don't add up, and claims that are neither paid nor replaced.
func TestStatementUnequal(t *testing.T) {
	t.Parallel()
	right := statement{
		Givers: []giverMonth{{Giver: "alice@a", Budget: 100, Shares: []shareLine{{Amount: 30}, {Amount: 30}}, RolledOver: 40}},
		Claims: []claimMonth{{From: "a", To: "b", Amount: 30, State: ledger.Confirmed}, {From: "a", To: "c", State: ledger.Superseded}},
	}
	if found := right.unequal(); len(found) > 0 {
		t.Errorf("nothing is wrong, but: %q", found)
	}
	for says, alter := range map[string]func(*statement){
		"alice@a: shares and roll-over are 101 of 100": func(s *statement) { s.Givers[0].Shares[0].Amount++ },
		"alice@a: shares and roll-over are 70 of 100":  func(s *statement) { s.Givers[0].Shares = s.Givers[0].Shares[1:] },
		"alice@a: shares and roll-over are 99 of 100":  func(s *statement) { s.Givers[0].RolledOver-- },
		"the claim of b on a is offered":               func(s *statement) { s.Claims[0].State = "offered" },
		"the claim of c on a is refused":               func(s *statement) { s.Claims[1].State = "refused" },
	} {
		wrong := right
		wrong.Givers = []giverMonth{right.Givers[0]}
		wrong.Givers[0].Shares = append([]shareLine{}, right.Givers[0].Shares...)
		wrong.Claims = append([]claimMonth{}, right.Claims...)
		alter(&wrong)
		if found := wrong.unequal(); len(found) != 1 || found[0] != says {
			t.Errorf("%q, want %q", found, says)
		}
	}
}

// The amounts of a column stand with their points below each other.
func TestStatementTable(t *testing.T) {
	t.Parallel()
	s := statement{
		Month: "2026-11", Invariants: "ok",
		Givers: []giverMonth{
			{Giver: "dave@b.example", Budget: 1_000_000, Shares: []shareLine{{Amount: 333_334}, {Amount: 333_333}, {Amount: 333_333}}, Returned: 333_334},
			{Giver: "jo@b.example", Budget: 12_000_000, RolledOver: 12_000_000},
		},
		Claims: []claimMonth{{"b.example", "a.example", 583_333, "confirmed"}, {"c.example", "a.example", 21_400_000, "superseded"}},
		Payees: []payeeStands{{"anna@a.example", 7_178, 0, 3_030_000}},
	}
	const want = `
2026-11

GIVER           BUDGET  FLATTRS                  EACH  ROLLED OVER  RETURNED
dave@b.example    1.00        3  0.333333 or 0.333334         0.00  0.333334
jo@b.example     12.00        0                              12.00  0.00

CLAIM FROM  TO            AMOUNT  STATE
b.example   a.example   0.583333  confirmed
c.example   a.example  21.40      superseded

PAYEE           ANNOUNCED  AVAILABLE  WITHDRAWN
anna@a.example   0.007178       0.00       3.03

Invariants: ok
`
	var got strings.Builder
	s.table(&got)
	if got.String() != want {
		t.Errorf("the table is\n%s", got.String())
	}
}
