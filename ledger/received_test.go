package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// mailbox is an instance that gets Likes from b.example.
type mailbox struct {
	*ledgertest.Instance
	t *testing.T
}

// receive takes a Like and returns what was told: "accept", "reject own-thing", or nothing.
func (m mailbox) receive(r ledger.ReceivedLike) string {
	m.t.Helper()
	if err := m.ReceiveFlattr(context.Background(), r); err != nil {
		m.t.Fatal(err)
	}
	return m.told()
}

func (m mailbox) told() string {
	m.t.Helper()
	all := m.Outbox.Take(m.t)
	if len(all) == 0 {
		return ""
	}
	a, err := m.LikeAnswer(context.Background(), all[0].Key)
	if err != nil || len(all) > 1 || all[0].To != a.Giver {
		m.t.Fatalf("told %v, %v", all, err)
	}
	if a.Reason != "" {
		return all[0].Kind + " " + a.Reason
	}
	return all[0].Kind
}

func like(giver string, thing ledger.Thing, period string) ledger.ReceivedLike {
	return ledger.ReceivedLike{ID: "https://b.example/flattrs/" + uuid.NewString(), Giver: "https://b.example/users/" + giver,
		Host: "b.example", Object: thing.IRI, Period: period}
}

// count is what a button shows in public.
func (m mailbox) count(b ledger.Button) int64 {
	m.t.Helper()
	now, err := m.Ledger.Button(context.Background(), b.ID)
	if err != nil {
		m.t.Fatal(err)
	}
	return now.Flattrs
}

// TestReceivedMonths: the current month is taken, the one before in grace, and the next within one
// hour of it (protocol §4).
func TestReceivedMonths(t *testing.T) {
	t.Parallel()
	m := mailbox{ledgertest.New(t), t}
	_, thing := m.Button(m.Join("bob"), "1")
	for n, c := range []struct {
		at, period, want string
	}{
		{"2026-11-10T12:00:00Z", "2026-11", "accept"},
		{"2026-11-10T12:00:00Z", "2026-10", "reject period-closed"},
		{"2026-11-10T12:00:00Z", "2026-12", "reject period-closed"},
		{"2026-11-10T12:00:00Z", "2020-01", "reject period-closed"},
		{"2026-11-30T22:59:59.999Z", "2026-12", "reject period-closed"},
		{"2026-11-30T23:00:00.001Z", "2026-12", "accept"},
		{"2026-11-30T23:59:59.999Z", "2027-01", "reject period-closed"},
		{"2026-12-01T00:00:00Z", "2026-11", "accept"},
		{"2026-12-01T00:00:00Z", "2026-12", "accept"},
		{"2026-12-01T23:59:59.999Z", "2026-11", "accept"},
		{"2026-12-02T00:00:00Z", "2026-11", "reject period-closed"},
	} {
		at, err := time.Parse(time.RFC3339Nano, c.at)
		if err != nil {
			t.Fatal(err)
		}
		m.Clock.Set(at)
		if err := m.Tick(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := m.receive(like(fmt.Sprint("giver", n), thing, c.period)); got != c.want {
			t.Errorf("%s, a Like of %s: %s; want %s", c.at, c.period, got, c.want)
		}
	}
	// A second id for a flattr that was accepted doesn't reopen its month.
	if got := m.receive(like("giver7", thing, "2026-11")); got != "reject period-closed" {
		t.Errorf("accepted in November, again after it: %s", got)
	}
}

// TestReceivedReasons: what the answer to a Like is, stored and replayed.
func TestReceivedReasons(t *testing.T) {
	t.Parallel()
	m := mailbox{ledgertest.New(t, ledgertest.Reciprocity("required")), t}
	ctx := context.Background()
	bob, stingy, gone := m.Join("bob"), m.Join("stingy"), m.Join("gone")
	m.Fund(bob, 1_000_000)
	button, thing := m.Button(bob, "1")
	offButton, off := m.Button(bob, "2")
	_, held := m.Button(stingy, "1")
	_, left := m.Button(gone, "1")
	if err := m.RemoveButton(ctx, bob.ID, offButton.ID); err != nil {
		t.Fatal(err)
	}
	if err := m.DeleteMember(ctx, gone.ID); err != nil {
		t.Fatal(err)
	}
	own := like("x", thing, "2026-11")
	own.Giver = m.Ledger.Instance().MemberIRI("bob")
	first, second := like("x", thing, "2026-11"), like("x", thing, "2026-11")
	tentative := like("x", held, "2026-11")
	for _, c := range []struct {
		what string
		like ledger.ReceivedLike
		want string
	}{
		{"a thing", first, "accept"},
		{"the same Like again", first, "accept"},
		{"the same flattr under another id", second, "accept"},
		{"a thing of one who doesn't give", tentative, "tentative-accept"},
		{"that again", tentative, "tentative-accept"},
		{"and under another id", like("x", held, "2026-11"), "tentative-accept"},
		{"a thing that isn't", like("x", ledger.Thing{IRI: m.Ledger.Instance().ButtonIRI("nosuchthing")}, "2026-11"), "reject unknown-thing"},
		{"a thing elsewhere", like("x", ledger.Thing{IRI: "https://x.example/1"}, "2026-11"), "reject unknown-thing"},
		{"a thing that is taken away", like("x", off, "2026-11"), "reject not-accepting"},
		{"a thing of one who left", like("x", left, "2026-11"), "reject not-accepting"},
		{"one's own thing", own, "reject own-thing"},
	} {
		if got := m.receive(c.like); got != c.want {
			t.Errorf("%s: %s; want %s", c.what, got, c.want)
		}
	}
	if n := m.count(button); n != 1 {
		t.Errorf("one flattr under two ids counts %d", n)
	}
}

// TestHeldUntilTheMonthCloses: the one final answer comes at close, and depends on whether the payee
// gives by then; a Like that comes in grace gets it at once.
func TestHeldUntilTheMonthCloses(t *testing.T) {
	t.Parallel()
	m := mailbox{ledgertest.New(t, ledgertest.Reciprocity("required")), t}
	ctx := context.Background()
	late, stingy := m.Join("late"), m.Join("stingy")
	_, thing := m.Button(late, "1")
	button, held := m.Button(stingy, "1")
	one, two := like("x", thing, "2026-11"), like("x", held, "2026-11")
	if a, b := m.receive(one), m.receive(two); a != "tentative-accept" || b != "tentative-accept" {
		t.Errorf("%s, %s", a, b)
	}
	if n := m.count(button); n != 1 {
		t.Errorf("what is held counts %d in public", n)
	}
	m.Fund(late, 1_000_000)
	m.Outbox.Take(t)
	m.Clock.Set(ledger.PeriodEnd("2026-11"))
	if err := m.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	finals := map[string]string{}
	for _, said := range m.Outbox.Take(t) {
		finals[said.Key] = said.Kind
	}
	if finals[one.ID] != "accept" || finals[two.ID] != "reject" || len(finals) != 2 {
		t.Errorf("final answers: %v", finals)
	}
	if a, b := m.receive(two), m.receive(like("y", held, "2026-11")); a != "reject not-accepting" || b != "reject not-accepting" {
		t.Errorf("in grace: %s, %s", a, b)
	}
	if n := m.count(button); n != 0 {
		t.Errorf("what was refused counts %d", n)
	}
}

// TestUndos come whenever, before their Like too; only the giver's own takes effect, and what is
// undone is answered no more.
func TestUndos(t *testing.T) {
	t.Parallel()
	m := mailbox{ledgertest.New(t), t}
	ctx := context.Background()
	button, thing := m.Button(m.Join("bob"), "1")
	one := like("x", thing, "2026-11")
	m.receive(one)
	for range 2 {
		if err := m.ReceiveUndo(ctx, one.ID, one.Giver); err != nil {
			t.Fatal(err)
		}
	}
	if again, n := m.receive(one), m.count(button); again != "" || n != 0 {
		t.Errorf("an undone Like is answered %q and counts %d", again, n)
	}
	if again, n := m.receive(like("x", thing, "2026-11")), m.count(button); again != "accept" || n != 1 {
		t.Errorf("flattred again: %q, %d", again, n)
	}
	early := like("y", thing, "2026-11")
	for _, by := range []string{"https://evil.example/users/mallory", early.Giver, early.Giver} {
		if err := m.ReceiveUndo(ctx, early.ID, by); err != nil { // whoever comes first takes nobody's place
			t.Fatal(err)
		}
	}
	if again, n := m.receive(early), m.count(button); again != "" || n != 1 {
		t.Errorf("undone before it came: %q, %d", again, n)
	}
	foreign := like("z", thing, "2026-11")
	if err := m.ReceiveUndo(ctx, foreign.ID, "https://b.example/users/somebody"); err != nil {
		t.Fatal(err)
	}
	if again, n := m.receive(foreign), m.count(button); again != "accept" || n != 2 {
		t.Errorf("buried by somebody else: %q, %d", again, n)
	}
	if err := m.ReceiveUndo(ctx, foreign.ID, foreign.Giver); err != nil || m.count(button) != 1 {
		t.Errorf("and then undone: %d, %v", m.count(button), err)
	}
}

// TestUndoOfTheLongestIds: what may be an id is taken, however long both are, also before its Like.
func TestUndoOfTheLongestIds(t *testing.T) {
	t.Parallel()
	m := mailbox{ledgertest.New(t), t}
	ctx := context.Background()
	button, thing := m.Button(m.Join("bob"), "1")
	long := func(start string) string { // random, so that PostgreSQL can't press it into its index
		text := make([]byte, 2048)
		copy(text, start)
		for i := len(start); i < len(text); i++ {
			text[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[rand.IntN(64)]
		}
		return string(text)
	}
	early := ledger.ReceivedLike{ID: long("https://b.example/flattrs/"), Giver: long("https://b.example/users/"), Host: "b.example",
		Object: thing.IRI, Period: "2026-11"}
	for range 2 {
		if err := m.ReceiveUndo(ctx, early.ID, early.Giver); err != nil {
			t.Fatal(err)
		}
	}
	if again, n := m.receive(early), m.count(button); again != "" || n != 0 {
		t.Errorf("undone before it came: %q, %d", again, n)
	}
	early.ID = early.ID[:2047]
	if again, n := m.receive(early), m.count(button); again != "accept" || n != 1 {
		t.Errorf("another id: %q, %d", again, n)
	}
}

// TestUndoAndClickAgain: a flattr is undone and made again, and in between its button goes, or comes
// back, or its owner begins to give. The answer to the second id doesn't depend on whether the Undo of
// the first comes before it or after it.
func TestUndoAndClickAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, c := range map[string]struct {
		between       func(m mailbox, bob ledger.Member, b ledger.Button)
		first, second string
	}{
		"nothing happens": {func(mailbox, ledger.Member, ledger.Button) {}, "tentative-accept", "tentative-accept"},
		"the button goes": {func(m mailbox, bob ledger.Member, b ledger.Button) {
			if err := m.RemoveButton(ctx, bob.ID, b.ID); err != nil {
				m.t.Fatal(err)
			}
		}, "tentative-accept", "reject not-accepting"},
		"the owner gives": {func(m mailbox, bob ledger.Member, _ ledger.Button) {
			m.Fund(bob, 1_000_000)
			m.Outbox.Take(m.t)
		}, "tentative-accept", "accept"},
	} {
		for _, late := range []bool{false, true} {
			m := mailbox{ledgertest.New(t, ledgertest.Reciprocity("required")), t}
			bob := m.Join("bob")
			button, thing := m.Button(bob, "1")
			one, two := like("x", thing, "2026-11"), like("x", thing, "2026-11")
			if got := m.receive(one); got != c.first {
				t.Errorf("%s: %s", name, got)
			}
			c.between(m, bob, button)
			undo := func() {
				if err := m.ReceiveUndo(ctx, one.ID, one.Giver); err != nil {
					t.Fatal(err)
				}
			}
			if !late {
				undo()
			}
			if got := m.receive(two); got != c.second {
				t.Errorf("%s, the Undo late %v: %s, want %s", name, late, got, c.second)
			}
			if late {
				undo()
			}
		}
	}
}

// TestWhoMayAnswer: of an instance that was met, the actor that was pinned, wherever it stands; before that
// the one at the address where instances have it.
func TestWhoMayAnswer(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	alice := i.Join("alice")
	i.Fund(alice, 1_000_000)
	iri := "https://d.example/buttons/1"
	thing, err := i.SaveThing(ctx, ledger.RemoteThing{IRI: iri, URL: iri, Title: "1", Payee: "https://d.example/users/dora", Host: "d.example"})
	if err != nil {
		t.Fatal(err)
	}
	f, _, err := i.Flattr(ctx, alice.ID, thing.ID)
	if err != nil {
		t.Fatal(err)
	}
	may := func(actor string) bool {
		err := i.FlattrAnswered(ctx, ledger.Verdict{Like: i.Instance().FlattrIRI(f.ID.String()), Host: "d.example", Actor: actor, Answer: "tentative"})
		if err != nil && !errors.Is(err, ledger.ErrRefused) {
			t.Fatal(err)
		}
		return err == nil
	}
	usual, own, payee, other := "https://d.example/actor", "https://d.example/instance", "https://d.example/users/dora", "https://d.example/users/mallory"
	if !may(usual) || may(own) || !may(payee) || may(other) {
		t.Errorf("before it is met: %t %t %t %t", may(usual), may(own), may(payee), may(other))
	}
	if _, err := i.PinPeer(ctx, ledger.PeerIdentity{Host: "d.example", Actor: own, Inbox: own + "/inbox", AccountingKey: "z1", AccountingKeyID: own + "#k"}); err != nil {
		t.Fatal(err)
	}
	if may(usual) || !may(own) || !may(payee) || may(other) {
		t.Errorf("after it was met: %t %t %t %t", may(usual), may(own), may(payee), may(other))
	}
}

// TestUnansweredLikes are told again at close and once more in the middle of grace.
func TestUnansweredLikes(t *testing.T) {
	t.Parallel()
	m := mailbox{ledgertest.New(t), t}
	ctx := context.Background()
	alice := m.Join("alice")
	m.Fund(alice, 1_000_000)
	thing, err := m.SaveThing(ctx, ledger.RemoteThing{IRI: "https://b.example/buttons/1", URL: "https://blog.example/1", Title: "1",
		Payee: "https://b.example/users/bob", PayeeName: "bob", Host: "b.example"})
	if err != nil {
		t.Fatal(err)
	}
	f, _, err := m.Flattr(ctx, alice.ID, thing.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.Message{Kind: ledger.TellLike, Key: f.ID.String(), To: "https://b.example/users/bob"}
	for _, c := range []struct {
		after time.Duration // the end of the month
		told  int
	}{{-time.Second, 1}, {0, 1}, {0, 0}, {11 * time.Hour, 0}, {12 * time.Hour, 1}, {13 * time.Hour, 0}} {
		m.Clock.Set(ledger.PeriodEnd("2026-11").Add(c.after))
		if err := m.Tick(ctx); err != nil {
			t.Fatal(err)
		}
		told := m.Outbox.Take(t)
		if len(told) != c.told || len(told) > 0 && told[0] != want {
			t.Errorf("%v after the month's end: %v", c.after, told)
		}
	}
}
