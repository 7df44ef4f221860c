package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
	"github.com/fedflattr/flattrd/ledger/pair"
)

// TestRefusedWhileAHoldEnds: a claim is refused in part while the statement that ends the hold is being compared. Which
// of the two comes first doesn't matter: what is left of the claim is offered.
func TestRefusedWhileAHoldEnds(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice := i.Join("alice")
	i.Fund(alice, 1_000_000)
	flattrStranger(t, i, alice, "p1", "1")
	flattrStranger(t, i, alice, "p2", "1")
	settle(t, i, "2026-11")
	theirs := held(t, i, "d.example")

	iri := i.Instance().ClaimIRI("d.example", "2026-11", "EUR", 1)
	between, err := i.Pool.Begin(ctx) // keeps the refusal from ending before the comparison has begun
	if err != nil {
		t.Fatal(err)
	}
	if _, err := between.Exec(ctx, `select from claim where iri = $1 for update`, iri); err != nil {
		t.Fatal(err)
	}
	both := make(chan error, 2)
	go func() {
		both <- i.ClaimAnswered(ctx, ledger.ClaimAnswer{IRI: iri, Host: "d.example",
			Refusals: []ledger.Refusal{{Payee: "https://d.example/users/p1", Reason: "deleted"}}})
	}()
	awaitBlocked(t, i, 1)
	go func() {
		_, err := i.ReceiveStatement(ctx, "d.example", theirs, nil)
		both <- err
	}()
	awaitBlocked(t, i, 2)
	if err := errors.Join(between.Rollback(ctx), <-both, <-both); err != nil {
		t.Fatal(err)
	}
	claims, err := i.Claims(ctx)
	var said []string
	for _, c := range claims {
		said = append(said, fmt.Sprintf("%d %s %d", c.N, c.State, c.LineCount))
	}
	if want := []string{"1 superseded 2", "2 offered 1"}; !slices.Equal(said, want) || err != nil {
		t.Errorf("%v, %v; want %v", said, err, want)
	}
}

// held starts an instance that has heard of a peer before, and returns the statement that will end the hold.
func held(t *testing.T, i *ledgertest.Instance, host string) pair.Statement {
	t.Helper()
	ctx := context.Background()
	_, err := i.ReceiveStatement(ctx, host, pair.Statement{ID: "https://" + host + "/statements/1", Sequence: 1}, nil)
	theirs := pair.Statement{ID: "https://" + host + "/statements/2", Sequence: 2, InReplyTo: i.Instance().BaseURL + "/statements/1"}
	err = errors.Join(err, i.Started(ctx), i.State(ctx, host, theirs.InReplyTo, "", func(ours ledger.Statement) error {
		theirs.Seen, theirs.Balance = ours.Sequence, -ours.Balance()
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return theirs
}

// awaitBlocked waits until so many sessions of a test's database wait for a lock.
func awaitBlocked(t *testing.T, i *ledgertest.Instance, n int) {
	t.Helper()
	for range 2000 {
		if blocked := ledgertest.Collect[int](t, i.Pool, `
			select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`); blocked[0] >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not %d sessions wait", n)
}

// TestOwnRefusalComesBack: a peer returns an answer of ours because the statement that it has was older. It is here all
// the time, and nobody has contradicted anybody.
func TestOwnRefusalComesBack(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	i.Join("bob")
	settle(t, i, "2026-11")
	const peer, lost = "d.example", "https://a.example/users/lost"
	bob := i.Instance().BaseURL + "/users/bob"
	o, err := ledgertest.StrangersOffer(peer, i.Instance().Host, "2026-11", 1, map[string]int64{bob: 300_000, lost: 200_000})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.ReceiveClaim(ctx, o); err != nil {
		t.Fatal(err)
	}
	before := digestOf(t, i)
	if err := i.AdoptClaim(ctx, ledger.ReturnedClaim{Offer: o, Answer: &ledger.ClaimAnswer{IRI: o.IRI, Host: peer,
		Refusals: []ledger.Refusal{{Payee: lost, Reason: "unknown-payee"}}}}); err != nil {
		t.Error(err)
	}
	p, err := i.Peer(ctx, peer)
	if err != nil || p.FrozenAt != nil || digestOf(t, i) != before {
		t.Errorf("frozen: %v, %v", p.FrozenReason, err)
	}
}
