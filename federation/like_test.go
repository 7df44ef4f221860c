package federation_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// TestFollow: answered with an Accept that embeds the Follow under its own id, as Mastodon and Misskey
// match it; again under another id is one follower; an Undo ends it; a button that is made meanwhile is
// told as a Create of a Page.
func TestFollow(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan := to.Stranger("fan")
	first := fan.NewID()
	for _, id := range []string{first, fan.NewID()} {
		if got := problem(t, fan.Post(to.bobIRI+"/inbox", activity(id, "Follow", fan.Actor, quote(to.bobIRI)))); got != "202" {
			t.Fatal(got)
		}
		to.Network.Sent(to.b)
		got := fan.Got()
		accept := got[len(got)-1].Members()
		checkContext(t, accept)
		follow, ok := accept["object"].(map[string]any)
		if accept["type"] != "Accept" || accept["actor"] != to.bobIRI || !ok || follow["id"] != id || follow["type"] != "Follow" ||
			follow["actor"] != fan.Actor || follow["object"] != to.bobIRI || fmt.Sprint(accept["to"]) != "["+fan.Actor+"]" {
			t.Errorf("%v", accept)
		}
		if !strings.HasPrefix(accept["id"].(string), to.b.Ledger.Instance().BaseURL+"/") || accept["id"] == follow["id"] {
			t.Errorf("the answer's id is %v", accept["id"])
		}
	}
	if n, err := to.b.Followers(context.Background(), to.bob.ID); err != nil || n != 1 {
		t.Errorf("%d followers, %v", n, err)
	}
	to.published(fan)
	if status := fan.Unfollow(to.bobIRI); status != "202 Accepted" {
		t.Error(status)
	}
	if n, err := to.b.Followers(context.Background(), to.bob.ID); err != nil || n != 0 {
		t.Errorf("%d followers, %v", n, err)
	}
}

// published: a new button is told to a follower; one that is gone by then isn't.
func (to *town) published(fan *federationtest.Stranger) {
	to.t.Helper()
	before := len(fan.Got())
	to.Button("b", to.bob, "new")
	removed := to.Button("b", to.bob, "removed")
	to.must(to.b.RemoveButton(context.Background(), to.bob.ID, removed.ID))
	to.Network.Sent(to.b)
	got := fan.Got()
	if len(got) != before+1 {
		to.t.Fatalf("%d messages", len(got)-before)
	}
	c, err := vocab.ParseCreate(got[before])
	to.must(err)
	p, err := vocab.ParsePage(c.Object)
	to.must(err)
	if c.Actor != to.bobIRI || p.AttributedTo != to.bobIRI || p.Name != "new" || strings.Join(c.To, "") != vocab.Public ||
		strings.Join(c.CC, "") != to.bobIRI+"/followers" {
		to.t.Errorf("%+v %+v", c, p)
	}
}

// TestPlainLikes: the fediverse's Likes, with whatever they carry besides, are taken and count for
// nothing: no flattr without a month, and none from software that doesn't speak the protocol.
func TestPlainLikes(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	fan, peer := to.Stranger("fan"), to.Peer("peer")
	for name, c := range map[string]struct {
		by   *federationtest.Stranger
		more string
	}{
		"a like":                  {fan, ""},
		"a reaction":              {fan, `,"content":"🔥","_misskey_reaction":"🔥","tag":[]`},
		"with a weight":           {fan, `,"flattr:weight":3,"nested":{"a":[1,2,{"b":null}]}`},
		"with a month":            {fan, `,"fl:period":"2026-11"`},
		"a peer's without month":  {peer, `,"to":["` + to.bobIRI + `"]`},
		"a peer's of a long page": {peer, `,"object2":"` + strings.Repeat("x", 30_000) + `"`},
	} {
		if got := problem(t, c.by.Post(to.bobIRI+"/inbox", activity(c.by.NewID(), "Like", c.by.Actor, quote(to.thing), c.more))); got != "202" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if n := count(t, to.b, `select count(*) from received_flattr`); n != 0 {
		t.Errorf("%d flattrs", n)
	}
	like := activity(fan.NewID(), "Like", fan.Actor, quote(to.thing), `,"fl:period":"November"`)
	if got := problem(t, fan.Post(to.bobIRI+"/inbox", like)); got != "422 period-not-settled period" {
		t.Errorf("a month that is none: %s", got)
	}
}

// TestFlattrAnswers: what a peer's flattr is answered (protocol §4), by the payee, or by the instance
// where there is none. A second id for the same flattr gets the same answer and counts once; the same id
// with another content is refused.
func TestFlattrAnswers(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.must(to.b.RemoveButton(context.Background(), to.bob.ID, to.Button("b", to.bob, "gone").ID))
	ours := to.b.Ledger.Instance()
	for name, c := range map[string]struct{ object, period, actor, want string }{
		"a button":              {to.thing, "2026-11", to.bobIRI, "Accept"},
		"the same again":        {to.thing, "2026-11", to.bobIRI, "Accept"},
		"no button":             {ours.ButtonIRI("nothing1"), "2026-11", ours.ActorIRI(), "Reject unknown-thing"},
		"another's thing":       {"https://blog.example/post", "2026-11", ours.ActorIRI(), "Reject unknown-thing"},
		"a removed button":      {ours.ButtonIRI(federationtest.ButtonID("bob", "gone")), "2026-11", to.bobIRI, "Reject not-accepting"},
		"a month that is over":  {to.thing, "2026-10", to.bobIRI, "Reject period-closed"},
		"a month too far ahead": {to.thing, "2026-12", to.bobIRI, "Reject period-closed"},
	} {
		id := peer.NewID()
		like := activity(id, "Like", peer.Actor, quote(c.object), `,"fl:period":`+quote(c.period))
		if got := problem(t, peer.Post(ours.BaseURL+"/inbox", like)); got != "202" {
			t.Errorf("%s: %s", name, got)
			continue
		}
		to.Network.Sent(to.b)
		got := peer.Got()
		a, err := vocab.ParseAnswer(got[len(got)-1])
		to.must(err)
		if said := strings.TrimSpace(fmt.Sprint(a.Verdict, " ", a.Reason)); said != c.want || a.Object != id || a.Actor != c.actor {
			t.Errorf("%s: %s by %s for %s, want %s by %s", name, said, a.Actor, a.Object, c.want, c.actor)
		}
	}
	b, err := to.b.Ledger.Button(context.Background(), to.thing[strings.LastIndexByte(to.thing, '/')+1:])
	if err != nil || b.Flattrs != 1 {
		t.Errorf("counted %d times, %v", b.Flattrs, err)
	}
	id := peer.NewID()
	for _, c := range []struct{ period, want string }{{"2026-11", "202"}, {"2026-10", "409 content-conflict inbox.conflict"}} {
		like := activity(id, "Like", peer.Actor, quote(to.thing), `,"fl:period":`+quote(c.period))
		if got := problem(t, peer.Post(ours.BaseURL+"/inbox", like)); got != c.want {
			t.Errorf("the id with %s: %s, want %s", c.period, got, c.want)
		}
	}
}

// TestNextMonth: a flattr of the next month is taken within the hour before it (protocol §4).
func TestNextMonth(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	for minutes, want := range map[time.Duration]vocab.Verdict{61: vocab.Refused, 59: vocab.Accepted} {
		to.Clock.Set(date(time.December, 1, 0).Add(-minutes * time.Minute))
		like := activity(peer.NewID(), "Like", peer.Actor, quote(to.Button2(fmt.Sprint(minutes))), `,"fl:period":"2026-12"`)
		if got := problem(t, peer.Post(to.inbox(), like)); got != "202" {
			t.Fatal(got)
		}
		to.Network.Sent(to.b)
		got := peer.Got()
		if a, err := vocab.ParseAnswer(got[len(got)-1]); err != nil || a.Verdict != want {
			t.Errorf("%d minutes before: %v, %v", minutes, a.Verdict, err)
		}
	}
}

// Button2 makes another button of bob's and returns its id.
func (to *town) Button2(slug string) string {
	return to.b.Ledger.Instance().ButtonIRI(to.Button("b", to.bob, slug).ID)
}

// TestUndo: by the same actor, before or after its Like, by the bare id or embedded; a Like that comes
// after its Undo is dead and has no answer. Somebody else can't.
func TestUndo(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	undone := func() int64 {
		return count(t, to.b, `select count(*) from received_flattr where undone_at is not null`)
	}
	post := func(body []byte, want string) {
		t.Helper()
		if got := problem(t, peer.Post(to.inbox(), body)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	like := func(id string) []byte {
		return activity(id, "Like", peer.Actor, quote(to.thing), `,"fl:period":"2026-11"`)
	}
	first, second := peer.NewID(), peer.NewID()
	post(like(first), "202")
	post(activity(first+"/undo", "Undo", peer.Actor, `{"id":`+quote(first)+`,"type":"Like","actor":`+quote(peer.Actor)+`,"object":`+quote(to.thing)+`}`), "202")
	if n := undone(); n != 1 {
		t.Errorf("%d undone", n)
	}
	post(activity(second+"/undo", "Undo", peer.Actor, quote(second)), "202")
	to.Network.Sent(to.b)
	answers := len(peer.Got())
	post(like(second), "202")
	to.Network.Sent(to.b)
	if n := undone(); n != 2 || len(peer.Got()) != answers {
		t.Errorf("%d undone, %d answers to a dead Like", n, len(peer.Got())-answers)
	}
	third := peer.NewID()
	post(like(third), "202")
	peer.Actor, peer.Document.ID = peer.Actor+"2", peer.Actor+"2" // another actor of the same host
	peer.UseKey(rsaKeyOf(t, peer.Actor))
	peer.Document.Inbox = peer.Actor + "/inbox"
	post(activity(third+"/undo", "Undo", peer.Actor, quote(third)), "403 actor-not-authorized ap.owner")
	if n := undone(); n != 2 {
		t.Errorf("%d undone", n)
	}
}

// TestReAnsweredOnce: the first final answer to a flattr of ours stands, whatever comes after it.
func TestReAnsweredOnce(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	peer := to.Peer("peer")
	to.owe(peer)
	for _, c := range []struct{ kind, more string }{{"Reject", `,"fl:reason":"blocked"`}, {"TentativeAccept", ""}, {"Accept", ""}} {
		answer := activity(peer.NewID(), c.kind, peer.Actor, quote(to.likeOf(to.a)), c.more)
		if got := problem(t, peer.Post(to.a.Ledger.Instance().ActorIRI()+"/inbox", answer)); got != "202" {
			t.Errorf("%s: %s", c.kind, got)
		}
	}
	if n := count(t, to.a, `select count(*) from flattr where state = $1`, ledger.Accepted); n != 1 {
		t.Errorf("%d accepted", n)
	}
	for _, like := range []string{to.a.Ledger.Instance().FlattrIRI("x"), to.a.Ledger.Instance().FlattrIRI("0193aaaa-0000-7000-8000-000000000000")} {
		if got := problem(t, peer.Post(to.a.Ledger.Instance().ActorIRI()+"/inbox", activity(peer.NewID(), "Accept", peer.Actor, quote(like)))); got != "404 object-does-not-exist inbox.not-found" {
			t.Errorf("%s: %s", like, got)
		}
	}
}
