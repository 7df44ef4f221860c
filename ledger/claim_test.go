package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestRefusedOneByOne: a claim is refused line by line until nothing of it is left. Each line's
// shares come back once, when it is refused, and in the end the giver has everything again.
func TestRefusedOneByOne(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice := i.Join("alice")
	i.Fund(alice, 1_000_000)
	payees := []string{"p1", "p2", "p3"}
	for _, p := range payees {
		flattrStranger(t, i, alice, p, "1")
	}
	settle(t, i, "2026-11")
	i.Outbox.Take(t)
	back := int64(0)
	for n, p := range payees {
		if got := positionOf(t, i, "d.example").Payable; got != 1_000_000-back {
			t.Errorf("before %s is refused, %d is owed and %d came back", p, got, back)
		}
		answer := ledger.ClaimAnswer{IRI: i.Instance().ClaimIRI("d.example", "2026-11", "EUR", int32(n+1)), Host: "d.example",
			Refusals: []ledger.Refusal{{Payee: "https://d.example/users/" + p, Reason: "deleted"}}}
		for range 2 {
			if err := i.ClaimAnswered(ctx, answer); err != nil {
				t.Fatal(err)
			}
		}
		h, err := i.Holdings(ctx, alice.ID)
		if err != nil || h.Means-back != 333_333 && h.Means-back != 333_334 {
			t.Errorf("after %s was refused, alice has %d of %d, %v", p, h.Means, back, err)
		}
		back = h.Means
		told := i.Outbox.Take(t)
		if left := n < len(payees)-1; left != (len(told) == 1) {
			t.Errorf("after %s was refused: told %v", p, told)
		}
		i.MustCheck()
	}
	claims, err := i.Claims(ctx)
	var said []string
	for _, c := range claims {
		said = append(said, fmt.Sprintf("%d %s %d", c.N, c.State, c.LineCount))
	}
	if want := []string{"1 superseded 3", "2 superseded 2", "3 refused 1"}; !slices.Equal(said, want) || err != nil || back != 1_000_000 {
		t.Errorf("%v, %d came back, %v", said, back, err)
	}
}

// flattrStranger flattrs a thing of d.example, which accepts.
func flattrStranger(t *testing.T, i *ledgertest.Instance, giver ledger.Member, payee, slug string) {
	t.Helper()
	ctx := context.Background()
	iri := "https://d.example/buttons/" + payee + "-" + slug
	thing, err := i.SaveThing(ctx, ledger.RemoteThing{IRI: iri, URL: iri, Title: slug, Payee: "https://d.example/users/" + payee, Host: "d.example"})
	if err != nil {
		t.Fatal(err)
	}
	f, _, err := i.Flattr(ctx, giver.ID, thing.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.FlattrAnswered(ctx, ledger.Verdict{Like: i.Instance().FlattrIRI(f.ID.String()), Host: "d.example", Actor: "https://d.example/users/" + payee, Answer: "accept"}); err != nil {
		t.Fatal(err)
	}
}

// TestSettledOnce: a second run does nothing, whenever it comes.
func TestSettledOnce(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice := i.Join("alice")
	i.Fund(alice, 1_000_000)
	flattrStranger(t, i, alice, "p1", "1")
	settle(t, i, "2026-11")
	i.Outbox.Take(t)
	before, hash := months(t, i), digestOf(t, i)
	i.Clock.Set(i.Clock.Now().Add(time.Hour))
	if err := i.SettleMonth(ctx, "2026-11"); err != nil {
		t.Fatal(err)
	}
	if err := i.CloseMonth(ctx, "2026-11"); err != nil {
		t.Fatal(err)
	}
	if after := months(t, i); after != before || digestOf(t, i) != hash || len(i.Outbox.Take(t)) != 0 {
		t.Errorf("settled twice: %s, then %s", before, after)
	}
}

func months(t *testing.T, i *ledgertest.Instance) string {
	t.Helper()
	return strings.Join(ledgertest.Collect[string](t, i.Pool, `select to_jsonb(m)::text from month m order by period`), "\n")
}

// TestClaimDocument: what an offer says is read back as it was offered.
func TestClaimDocument(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	ctx := context.Background()
	for host, i := range m.Post {
		claims, err := i.Claims(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claims {
			if c.IRI == "" {
				continue // nobody is told of a draft
			}
			d, err := i.ClaimDocument(ctx, c.IRI)
			if err != nil {
				t.Fatal(err)
			}
			total := int64(0)
			for _, line := range d.Lines {
				total += line.Amount
			}
			digest, err := ledger.LinesDigest(d.Lines)
			refused := c.Answer != nil && *c.Answer == "reject"
			if err != nil || c.LineCount > 0 && digest != c.Digest || total != c.Amount || len(d.Lines) != int(c.LineCount) ||
				refused != (len(d.Refusals) > 0) || (c.Supersedes != nil) != (d.SupersededIRI != "") {
				t.Errorf("%s: %+v, %v", host, d, err)
			}
		}
	}
}
