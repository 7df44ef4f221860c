package web

import (
	"context"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// TestAuthorsPages: an owner names an author, who consents on a page of their own; each reads what is theirs.
func TestAuthorsPages(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice, bob, _ := a.join("alice"), a.join("bob"), a.join("carol")
	song := a.button(bob, "song")
	owner, other := w.browser().logIn(a, "bob"), w.browser().logIn(a, "carol")
	at := "/buttons/" + song.ID + "/authors"
	owner.get("/buttons").says("main", "Authors")
	owner.get(at).submit(at, "authors", "bob two").wants(422, at).says(".fault", "a space and a weight")
	owner.submit(at, "authors", "bob 2\nnobody 1").wants(422, at).says(".fault", "Nobody here")
	owner.submit(at, "authors", "bob 2\n@carol@"+a.Ledger.Instance().Host+" 1").wants(200, at).says(".notice", "Proposed")
	owner.says("main", "Version 1", "Waits for answers", "weight 2, 66.7 %", "asked")
	if other.get(at); other.Code != 404 {
		t.Errorf("another's button: %d", other.Code)
	}
	other.get("/authorships").says("main", "song", "Version 1", "weight 1, 33.3 %")
	other.submit("/authorships", "answer", "consent").wants(200, "/authorships").says(".notice", "You have consented")
	other.says("main", "In force from December 2026 on")
	if other.post("/authorships", "split", "1", "answer", "refuse"); other.Code != 422 {
		t.Errorf("a second answer: %d", other.Code)
	}
	owner.get(at).says("main", "In force from December 2026 on", "consented")

	w.clock.Set(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
	ctx := context.Background()
	if err := a.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	a.Fund(alice, 900_000)
	clickAt(t, a, alice, song)
	w.browser().logIn(a, "alice").get("/home").says(".authors", "bob", "carol")
	for day := range 2 {
		w.clock.Set(time.Date(2027, 1, 1+day, 0, 0, 0, 0, time.UTC))
		if err := a.Tick(ctx); err != nil {
			t.Fatal(err)
		}
	}
	w.browser().logIn(a, "alice").get("/months/2026-12").says(".authors", "€0.60", "€0.30")
	other.get("/earned/2026-12").says("main", "€0.30")
	owner.get("/earned/2026-12").says("main", "€0.60")
	owner.get(at).submit(at, "authors", "bob 1").wants(200, at)
	owner.says("main", "nothing any more").submit(at+"/withdraw").wants(200, at).says("main", "Withdrawn")
	if _, err := a.SplitInForce(ctx, 1, "2026-12"); err != nil && err != ledger.ErrNotFound {
		t.Error(err)
	}
}
