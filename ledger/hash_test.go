package ledger_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestHashIsOfTheHistory: the same history has the same hash, at another hour, under other row ids
// and with other random ids; asked twice, it says the same.
func TestHashIsOfTheHistory(t *testing.T) {
	t.Parallel()
	one := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	two := ledgertest.PlayMonths(t, ledgertest.MonthOptions{Late: 5 * time.Hour, FirstID: 7000})
	for host, i := range one.Post {
		other := two.Post[host]
		hash := digestOf(t, i)
		if again := digestOf(t, i); again != hash {
			t.Errorf("%s: asked twice, %s and %s", host, hash, again)
		}
		if theirs := digestOf(t, other); theirs != hash {
			t.Errorf("%s: another hash for the same history", host)
			t.Log(cmp.Diff(lines(t, i), lines(t, other)))
		}
		for _, random := range []string{`select id from button`, `select reference from withdrawal`, `select id::text from flattr`,
			`select id::text from transfer`, `select reference from payment where direction = 'out'`, `select booked_at::text from transfer`} {
			mine, theirs := ledgertest.Collect[string](t, i.Pool, random), ledgertest.Collect[string](t, other.Pool, random)
			if slices.ContainsFunc(mine, func(v string) bool { return slices.Contains(theirs, v) }) {
				t.Errorf("%s: %s gives something that both have, so the test says less than it should", host, random)
			}
		}
	}
}

// TestHashSaysWhatHappened: another history has another hash.
func TestHashSaysWhatHappened(t *testing.T) {
	t.Parallel()
	one := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	two := ledgertest.PlayMonths(t, ledgertest.MonthOptions{Uneven: true})
	for host, i := range one.Post {
		if digestOf(t, i) == digestOf(t, two.Post[host]) {
			t.Errorf("%s: two histories, one hash", host)
		}
	}
}

func lines(t *testing.T, i *ledgertest.Instance) []string {
	t.Helper()
	all, err := i.Lines(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}
