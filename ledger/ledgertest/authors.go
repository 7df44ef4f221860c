package ledgertest

import (
	"context"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// PlayAuthors is three instances of which one's givers flattr a song of two authors elsewhere and a duet of one here and
// one elsewhere, in December 2026; one of the authors leaves before the claims come, and the parts of the refused line
// go back.
func PlayAuthors(t testing.TB) Post {
	t.Helper()
	ctx, clock, p := context.Background(), NewClock(Start), Post{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, host := range []string{"a.example", "b.example", "c.example"} {
		p[host] = New(t, Host(host), WithClock(clock))
	}
	a, b, c := p["a.example"], p["b.example"], p["c.example"]
	alice, axel, anna := a.Join("alice"), a.Join("axel"), a.Join("anna")
	bob, carol := b.Join("bob"), c.Join("carol")
	song, songThing := b.Button(bob, "song")
	duet, duetThing := a.Button(anna, "duet")
	annaIRI, bobIRI, carolIRI := a.Instance().MemberIRI("anna"), b.Instance().MemberIRI("bob"), c.Instance().MemberIRI("carol")
	_, err := b.ProposeSplit(ctx, bob.ID, song.ID, []ledger.Author{{Payee: bobIRI, Weight: 2}, {Payee: carolIRI, Name: "carol", Weight: 1}})
	must(err)
	_, err = a.ProposeSplit(ctx, anna.ID, duet.ID, []ledger.Author{{Payee: annaIRI, Weight: 1}, {Payee: bobIRI, Name: "bob", Weight: 1}})
	must(err)
	p.Deliver(t)
	for _, one := range []struct {
		at *Instance
		by ledger.Member
	}{{c, carol}, {b, bob}} {
		asked, err := one.at.AskedSplits(ctx, one.by.ID)
		must(err)
		must(one.at.AnswerSplit(ctx, one.by.ID, asked[0].ID, true))
	}
	p.Deliver(t)
	turn := func(at time.Time) {
		t.Helper()
		clock.Set(at)
		for _, i := range []*Instance{a, b, c} {
			must(i.Tick(ctx))
		}
		p.Deliver(t)
	}
	turn(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
	turn(time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC))
	page, err := Page(ctx, b, songThing.IRI)
	must(err)
	songHere, err := a.SaveThing(ctx, page)
	must(err)
	for giver, budget := range map[ledger.Member]int64{alice: 1_010_000, axel: 500_000} {
		a.Fund(giver, budget)
		for _, thing := range []int64{songHere.ID, duetThing.ID} {
			_, _, err := a.Flattr(ctx, giver.ID, thing)
			must(err)
		}
	}
	p.Deliver(t)
	turn(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	must(c.Leave(ctx, carol.ID, ledger.Leaving{IBAN: "DE75512108001245126199"}))
	turn(time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC))
	return p
}
