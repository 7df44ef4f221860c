package federationtest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// clicks makes a world in which alice clicks on twelve things of bob's, and lets two days pass.
func clicks(t *testing.T, weather federationtest.Weather) *federationtest.World {
	t.Helper()
	ctx := context.Background()
	w := federationtest.New(t, weather, federationtest.Host{Name: "a"}, federationtest.Host{Name: "b"})
	a, alice, bob := w.At("a"), w.Member("a", "alice"), w.Member("b", "bob")
	a.Fund(alice, 1_000_000)
	for n := range 12 {
		b := w.Button("b", bob, fmt.Sprint(n))
		thing, err := a.Server.ResolveThing(ctx, w.At("b").Ledger.Instance().ButtonIRI(b.ID))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.Flattr(ctx, alice.ID, thing.ID); err != nil {
			t.Fatal(err)
		}
		w.Network.Sent(a)
	}
	w.Turn(ledgertest.Start.Add(48 * time.Hour))
	return w
}

func accepted(t *testing.T, w *federationtest.World) (n int) {
	t.Helper()
	if err := w.At("a").Pool.QueryRow(context.Background(), `select count(*) from flattr where state = $1`, ledger.Accepted).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCalm: every message is tried once and arrives, and its answer too.
func TestCalm(t *testing.T) {
	t.Parallel()
	w := clicks(t, federationtest.Weather{})
	if got, want := w.Network.Tally(), (federationtest.Tally{Told: 24, Attempts: 24}); got != want || accepted(t, w) != 12 || w.Network.Waiting() != 0 {
		t.Errorf("%+v, %d accepted, %d wait", got, accepted(t, w), w.Network.Waiting())
	}
	if now := w.Clock.Now(); !now.Equal(ledgertest.Start.Add(48 * time.Hour)) {
		t.Errorf("it is %v", now)
	}
}

// TestRough: messages are lost on either side of the commit, repeated, and overtake each other; when it is
// quiet everything has arrived. The same seed does the same again.
func TestRough(t *testing.T) {
	t.Parallel()
	weather := federationtest.Weather{Seed: 7, Lose: 0.2, Unheard: 0.2, Repeat: 10, Delay: 96 * time.Hour}
	var tallies []federationtest.Tally
	for range 2 {
		w := clicks(t, weather)
		if w.Network.Waiting() == 0 {
			t.Error("nothing is late")
		}
		w.Quiet()
		if w.Network.Waiting() != 0 || accepted(t, w) != 12 {
			t.Errorf("%d wait, %d accepted", w.Network.Waiting(), accepted(t, w))
		}
		tallies = append(tallies, w.Network.Tally())
	}
	got := tallies[0]
	if got.Lost == 0 || got.Unheard == 0 || got.Repeats == 0 || got.Behind == 0 || got.Together == 0 || got.Attempts <= got.Told || got.Told <= 24 {
		t.Errorf("%+v", got)
	}
	if tallies[0] != tallies[1] {
		t.Errorf("the same seed did %+v and %+v", tallies[0], tallies[1])
	}
}

// TestCut: what is for an instance out of reach waits for it, and Quiet doesn't.
func TestCut(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := clicks(t, federationtest.Weather{})
	w.Network.Cut(w.At("b"))
	if _, err := w.At("a").Server.ResolveThing(ctx, w.At("b").Ledger.Instance().ButtonIRI("nothing1")); err == nil {
		t.Error("b can be reached")
	}
	a := w.At("a")
	alice, err := a.MemberByName(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	v, err := a.MyMonth(ctx, alice.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.UndoFlattr(ctx, alice.ID, v.Lines[0].ID); err != nil {
		t.Fatal(err)
	}
	w.Network.Sent(a)
	w.Quiet()
	w.Turn(w.Clock.Now().Add(24 * time.Hour))
	if w.Network.Waiting() != 1 {
		t.Errorf("%d wait", w.Network.Waiting())
	}
	w.Network.Heal(w.At("b"))
	w.Quiet()
	var undone int
	if err := w.At("b").Pool.QueryRow(ctx, `select count(*) from received_flattr where undone_at is not null`).Scan(&undone); err != nil || undone != 1 || w.Network.Waiting() != 0 {
		t.Errorf("%d undone, %v; %d wait", undone, err, w.Network.Waiting())
	}
}

// TestFaults: what one owes another without its knowing is named, and so is money out of nowhere.
func TestFaults(t *testing.T) {
	t.Parallel()
	w := clicks(t, federationtest.Weather{})
	if faults := w.Faults(); len(faults) != 0 {
		t.Error(faults)
	}
	w.Turn(time.Date(2026, 12, 1, 1, 0, 0, 0, time.UTC))
	w.Tick()
	w.Network.Cut(w.At("b"))
	w.Turn(time.Date(2026, 12, 2, 2, 0, 0, 0, time.UTC))
	w.Tick()
	if faults := w.Faults(); len(faults) != 2 { // b doesn't know of the debt, and its payee doesn't have it yet
		t.Errorf("%q", faults)
	}
	w.Network.Heal(w.At("b"))
	w.Quiet()
	if faults := w.Faults(); len(faults) != 0 {
		t.Error(faults)
	}
}
