package journal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// desk is a committer whose batches wait until they are let through.
type desk struct {
	*journal.Committer[string, string, string]
	let     chan func([]string) error
	mu      sync.Mutex
	batches [][]string
}

func newDesk() *desk {
	d := &desk{let: make(chan func([]string) error)}
	d.Committer = journal.NewCommitter(func(s string) string { return s[:1] }, func(ctx context.Context, all []string) ([]journal.Verdict[string], error) {
		d.mu.Lock()
		d.batches = append(d.batches, all)
		d.mu.Unlock()
		select {
		case f := <-d.let:
			if err := f(all); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		verdicts := make([]journal.Verdict[string], len(all))
		for i, s := range all {
			verdicts[i].Result = s + " done"
		}
		return verdicts, nil
	})
	return d
}

func fine([]string) error { return nil }

// ask makes requests one after the other, each in a goroutine that waits, and returns where the outcomes come.
func (d *desk) ask(ctx context.Context, requests ...string) []chan string {
	said := make([]chan string, len(requests))
	for i, r := range requests {
		said[i] = make(chan string, 1)
		go func() {
			result, err := d.Commit(ctx, r)
			said[i] <- fmt.Sprint(result, err)
		}()
		synctest.Wait()
	}
	return said
}

// serve lets all through that is under way or comes after it.
func (d *desk) serve(f func([]string) error) {
	for {
		synctest.Wait()
		select {
		case d.let <- f:
		default:
			return
		}
	}
}

func (d *desk) expect(t *testing.T, batches ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if got := fmt.Sprint(d.batches); got != fmt.Sprint(batches) {
		t.Errorf("batches %v, want %v", got, batches)
	}
}

// TestWhoWaitsGoesTogether: one batch is under way; who comes meanwhile goes into the next one, in order, but no two
// of a key in the same.
func TestWhoWaitsGoesTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		said := d.ask(t.Context(), "a1", "b1", "a2", "c1", "a3", "d1", "c2")
		d.expect(t, "[a1]")
		d.let <- fine
		d.expect(t, "[a1]", "[b1 a2 c1 d1]")
		d.let <- fine
		d.expect(t, "[a1]", "[b1 a2 c1 d1]", "[a3 c2]")
		d.let <- fine
		for i, want := range []string{"a1", "b1", "a2", "c1", "a3", "d1", "c2"} {
			if got := <-said[i]; got != want+" done<nil>" {
				t.Errorf("%s: %s", want, got)
			}
		}
		last := d.ask(t.Context(), "z")
		d.let <- fine
		if got := <-last[0]; got != "z done<nil>" {
			t.Error("the next one:", got)
		}
	})
}

// TestWhoLeaves: a request that still waits is dropped; a batch that nobody waits for any more is given up, and one that
// somebody waits for isn't.
func TestWhoLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		ctx, leave := context.WithCancel(t.Context())
		gone := d.ask(ctx, "a", "b")
		stay := d.ask(t.Context(), "c")
		leave()
		for _, said := range gone {
			if got := <-said; got != "context canceled" {
				t.Error(got)
			}
		}
		d.expect(t, "[a]", "[c]")
		ctx, leave = context.WithCancel(t.Context())
		mixed := append(d.ask(ctx, "x"), d.ask(t.Context(), "y")...)
		d.let <- fine
		d.expect(t, "[a]", "[c]", "[x y]")
		leave()
		d.expect(t, "[a]", "[c]", "[x y]")
		d.let <- fine
		if got := <-stay[0] + <-mixed[0] + <-mixed[1]; got != "c done<nil>context canceledy done<nil>" {
			t.Error(got)
		}
	})
}

// TestABadRequestHarmsNoOther: a batch that is refused is done again one by one; an error that says nothing of what was
// done is everybody's.
func TestABadRequestHarmsNoOther(t *testing.T) {
	t.Parallel()
	bad := func(err error) func([]string) error {
		return func(all []string) error {
			if slices.Contains(all, "bad") {
				return err
			}
			return nil
		}
	}
	for _, c := range []struct {
		let  func([]string) error
		want string
	}{
		{bad(&pgconn.PgError{Message: "no"}), "c done<nil>: no (SQLSTATE )d done<nil>"},
		{bad(fmt.Errorf("so: %w", journal.ErrOverdraft)), "c done<nil>so: journal: overdraftd done<nil>"},
		{bad(errors.New("lost")), "lostlostlost"},
		{func([]string) error { panic("oh") }, "journal: internal error: ohjournal: internal error: ohjournal: internal error: oh"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk()
			d.ask(t.Context(), "x")
			said := d.ask(t.Context(), "c", "bad", "d")
			d.let <- fine
			d.expect(t, "[x]", "[c bad d]")
			d.serve(c.let)
			if got := <-said[0] + <-said[1] + <-said[2]; got != c.want {
				t.Errorf("%s; want %s", got, c.want)
			}
		})
	}
}

// TestBatchesAreBounded: no batch is larger than PostgreSQL should be given at once.
func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sizes := make(chan int)
		c := journal.NewCommitter(func(n int) int { return n }, func(_ context.Context, all []int) ([]journal.Verdict[int], error) {
			sizes <- len(all)
			return make([]journal.Verdict[int], len(all)), nil
		})
		for n := range 2 * journal.MostInBatch {
			go c.Commit(t.Context(), n)
		}
		synctest.Wait()
		var sum, most int
		for sum < 2*journal.MostInBatch {
			n := <-sizes
			sum, most = sum+n, max(most, n)
		}
		if most != journal.MostInBatch {
			t.Errorf("the largest batch had %d", most)
		}
	})
}

// TestVerdictsForAll: a batch must answer everybody.
func TestVerdictsForAll(t *testing.T) {
	t.Parallel()
	c := journal.NewCommitter(func(n int) int { return n }, func(context.Context, []int) ([]journal.Verdict[int], error) { return nil, nil })
	if _, err := c.Commit(t.Context(), 1); err == nil || err.Error() != "journal: internal error: 0 verdicts on 1 requests" {
		t.Error(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := c.Commit(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
