package ledger_test

import (
	"context"
	"sync/atomic"
	"testing"
)

// TestDisputes: opened with a note on a claim or payment, told on, closed once, by operators only; no money moves.
func TestDisputes(t *testing.T) {
	t.Parallel()
	l := newLent(t, 0)
	ctx, op := context.Background(), l.Op.ID
	claim := l.claim(debtor, 1, ct(30), ct(30))
	l.claim("e.example", 1, ct(1), ct(1))
	before, err := l.Hash(ctx)
	l.must(err)
	for what, c := range map[string]struct {
		host, about, note, want string
		by                      int64
	}{
		"no note":        {debtor, claim, " ", "note: required", op},
		"another peer's": {"e.example", claim, "x", "about: unknown", op},
		"of nothing":     {debtor, "https://d.example/claims/9", "x", "about: unknown", op},
		"a member":       {debtor, claim, "x", "refused", l.alice.ID},
		"with nobody":    {"x.example", claim, "x", "not found", op},
	} {
		if got := kind(second(l.OpenDispute(ctx, c.by, c.host, c.about, c.note))); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	id, err := l.OpenDispute(ctx, op, debtor, claim, "bob's line is from October")
	l.must(err)
	l.must(l.NoteDispute(ctx, l.other().ID, id, "they agree"))
	if got := kind(l.CloseDispute(ctx, op, id, "won", "x")); got != "outcome: unknown" {
		t.Errorf("an outcome that isn't: %s", got)
	}
	if got := kind(l.NoteDispute(ctx, op, 99, "x")); got != "not found" {
		t.Errorf("of nothing: %s", got)
	}
	var closed atomic.Int64
	atOnce(4, func(int) {
		switch got := kind(l.CloseDispute(ctx, op, id, "theirs", "so be it")); got {
		case "done":
			closed.Add(1)
		case "conflict":
		default:
			t.Error(got)
		}
	})
	if got := kind(l.NoteDispute(ctx, op, id, "one more word")); got != "conflict" || closed.Load() != 1 {
		t.Errorf("closed %d times, and then: %s", closed.Load(), got)
	}
	again, err := l.OpenDispute(ctx, op, debtor, claim, "not so")
	l.must(err)
	all, err := l.Disputes(ctx, debtor)
	if err != nil || len(all) != 2 || all[0].ID != again || all[0].Outcome != nil || *all[1].Outcome != "theirs" || len(all[1].Notes) != 3 ||
		all[1].Notes[1].Operator != "op2" || *all[1].Claim != claim || all[1].Payment != nil {
		t.Errorf("%+v, %v", all, err)
	}
	for _, sql := range []string{`update dispute_note set note = 'x'`, `delete from dispute_note`, `truncate dispute cascade`, `update dispute set claim = claim`} {
		if _, err := l.Pool.Exec(ctx, sql); err == nil {
			t.Errorf("the database lets it: %s", sql)
		}
	}
	if after, err := l.Hash(ctx); err != nil || after != before {
		t.Error("disputes change the books")
	}
}
