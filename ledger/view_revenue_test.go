package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestRevenueTellsAsClaimsDo: what this instance's givers gave a payee is told by thing as a claim would
// tell another instance, and what isn't told follows as one rest.
func TestRevenueTellsAsClaimsDo(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	var givers []ledger.Member
	for k := range 6 {
		givers = append(givers, i.Join(fmt.Sprintf("giver%d", k)))
		i.Fund(givers[k], 7_000_000)
	}
	cases := [][]int{{1}, {2, 5}, {1, 1, 4, 6}, {3, 4}, {1, 3, 3}, {2, 3, 5, 6}, {1, 1, 1, 3}, {2, 2}, {1, 2}, {6}}
	payees := make([]ledger.Member, len(cases))
	for c, counts := range cases {
		payees[c] = i.Join(fmt.Sprintf("payee%d", c))
		for k, n := range counts {
			_, thing := i.Button(payees[c], fmt.Sprintf("thing%d", k))
			for _, giver := range givers[:n] {
				if _, _, err := i.Flattr(ctx, giver.ID, thing.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, at := range []time.Time{time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC)} {
		i.Clock.Set(at)
		if err := i.Tick(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for c, m := range payees {
		want, total := told(t, i, m)
		var got []ledger.LineThing
		var rest int64
		err := i.Revenue(ctx, m.ID, "2026-11", 0, func(r ledger.Revenue) error {
			if r.Amount() != total || r.Available() != total || r.Announced() != 0 || r.Pledged != 0 {
				t.Errorf("%v: %d of %d", cases[c], r.Amount(), total)
			}
			return nil
		}, func(x ledger.RevenueThing) error {
			thing := ledger.LineThing{Object: x.Object, Flattrs: x.Flattrs, Amount: -1}
			if x.Rest {
				rest += *x.Amount
				return nil
			}
			if x.Amount != nil {
				thing.Amount = *x.Amount
			}
			got = append(got, thing)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, byObject)
		for _, thing := range got {
			rest += max(thing.Amount, 0)
		}
		if d := cmp.Diff(want, got); d != "" || rest != total {
			t.Errorf("%v: %d of %d: %s", cases[c], rest, total, d)
		}
	}
}

func byObject(x, y ledger.LineThing) int { return strings.Compare(x.Object, y.Object) }

// told are a payee's things as a claim would tell them, from the shares, and what they come to.
func told(t *testing.T, i *ledgertest.Instance, m ledger.Member) (things []ledger.LineThing, total int64) {
	t.Helper()
	found, err := i.Pool.Query(context.Background(), `
		select t.iri, count(*), sum(s.amount)::bigint from share s join thing t on t.id = s.thing
		where t.member = $1 and s.period = '2026-11' group by t.iri`, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var x ledger.LineThing
		if err := found.Scan(&x.Object, &x.Flattrs, &x.Amount); err != nil {
			t.Fatal(err)
		}
		things, total = append(things, x), total+x.Amount
	}
	slices.SortFunc(things, byObject)
	ledger.HideSmall(things)
	return things, total
}
