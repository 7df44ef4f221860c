package vocab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// payload reads a document of the shape that other software sends.
func payload(t testing.TB, name string) Document {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "payloads", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return mustDecode(t, raw)
}

func TestLikesOfOtherSoftware(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Like{
		"mastodon_like": {ID: "https://m.example/users/dora#likes/8841", Actor: "https://m.example/users/dora"},
		"gotosocial_like": {
			ID: "https://g.example/users/emil/liked/01JDX2M4Q8V7C3K5T9R1B6N0YW", Actor: "https://g.example/users/emil",
			To: []string{bob},
		},
		"pleroma_like": {
			ID: "https://p.example/activities/6b1c2d3e", Actor: "https://p.example/users/fina",
			To:        []string{"https://p.example/users/fina/followers", bob},
			Published: time.Date(2026, 11, 24, 9, 15, 27, 123456000, time.UTC),
		},
		"misskey_like": {ID: "https://k.example/likes/9zq1", Actor: "https://k.example/users/9abc"},
		"lemmy_like":   {ID: "https://l.example/activities/like/0c2a51d4", Actor: "https://l.example/u/gil"},
	} {
		want.Object = button
		like, err := ParseLike(payload(t, name))
		if diff := cmp.Diff(want, like); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if like.IsFlattr() {
			t.Errorf("%s is no flattr", name)
		}
	}
}

func TestUndosOfOtherSoftware(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ actor, object, of string }{
		"mastodon_undo_like":   {"https://m.example/users/dora", "https://m.example/users/dora#likes/8841", "Like"},
		"mastodon_undo_follow": {"https://m.example/users/dora", "https://m.example/5f2e9c1a-7b3d-4c55-9e0f-1a2b3c4d5e6f", "Follow"},
		"misskey_undo_like":    {"https://k.example/users/9abc", "https://k.example/likes/9zq1", "Like"},
		"lemmy_undo_like":      {"https://l.example/u/gil", "https://l.example/activities/like/0c2a51d4", "Like"},
		"lemmy_undo_bare":      {"https://l.example/u/gil", "https://l.example/activities/like/0c2a51d4", ""},
	} {
		undo, err := ParseUndo(payload(t, name))
		if err != nil || undo.Actor != want.actor || undo.Object != want.object {
			t.Errorf("%s: got %+v, %v", name, undo, err)
			continue
		}
		if (undo.Like != nil) != (want.of == "Like") || (undo.Follow != nil) != (want.of == "Follow") {
			t.Errorf("%s: undoes a %s, got %+v", name, want.of, undo)
		}
		if undo.Like != nil && (undo.Like.ID != undo.Object || undo.Like.Object != button) {
			t.Errorf("%s: got %+v", name, undo.Like)
		}
	}
}

func TestFollowOfMastodonIsAnsweredWithItsOriginal(t *testing.T) {
	t.Parallel()
	follow, err := ParseFollow(payload(t, "mastodon_follow"))
	if err != nil || follow.Object != bob {
		t.Fatalf("%+v, %v", follow, err)
	}
	raw, err := RenderAnswer(Answer{
		ID: "https://b.example/answers/9", Actor: bob, Verdict: Accepted, Follow: &follow, To: []string{follow.Actor},
	})
	if err != nil {
		t.Fatal(err)
	}
	embedded, ok, err := mustDecode(t, raw).Embedded("object")
	if err != nil || !ok {
		t.Fatal("the Follow must be embedded", err)
	}
	again, err := ParseFollow(embedded)
	if err != nil || again != follow {
		t.Errorf("got %+v, %v", again, err)
	}
}

func TestActorsOfOtherSoftware(t *testing.T) {
	t.Parallel()
	dora, err := ParseActor(payload(t, "mastodon_actor"))
	if err != nil {
		t.Fatal(err)
	}
	want := Actor{
		ID: "https://m.example/users/dora", Type: "Person", PreferredUsername: "dora",
		Name: "Re: Dora", Summary: "<p>Writes</p>", URL: "https://m.example/@dora", Discoverable: true,
		Published: time.Date(2022, 11, 5, 0, 0, 0, 0, time.UTC),
		Inbox:     "https://m.example/users/dora/inbox", Outbox: "https://m.example/users/dora/outbox",
		SharedInbox: "https://m.example/inbox",
		Followers:   "https://m.example/users/dora/followers", Following: "https://m.example/users/dora/following",
		Featured: "https://m.example/users/dora/collections/featured",
		PublicKeys: []PublicKey{{
			ID: "https://m.example/users/dora#main-key", Owner: "https://m.example/users/dora",
			PEM: "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
		}},
		AttributionDomains: []string{"dora.example"},
	}
	if diff := cmp.Diff(want, dora); diff != "" {
		t.Error(diff)
	}
	emil, err := ParseActor(payload(t, "gotosocial_key"))
	if err != nil || len(emil.PublicKeys) != 1 || emil.PublicKeys[0].ID != emil.ID+"/main-key" {
		t.Errorf("%+v, %v", emil, err)
	}
}

func TestKeysOfActorsComeInSeveralShapes(t *testing.T) {
	t.Parallel()
	key := `{"id":"https://x.example/u#k","owner":"https://x.example/u","publicKeyPem":"P"}`
	for name, c := range map[string]struct {
		keys string
		want []PublicKey
	}{
		"one":         {key, []PublicKey{{"https://x.example/u#k", "https://x.example/u", "P"}}},
		"a list":      {"[" + key + "," + strings.Replace(key, "#k", "#l", 1) + "]", []PublicKey{{"https://x.example/u#k", "https://x.example/u", "P"}, {"https://x.example/u#l", "https://x.example/u", "P"}}},
		"a reference": {`"https://x.example/u#k"`, []PublicKey{{ID: "https://x.example/u#k"}}},
		"no owner":    {`{"id":"https://x.example/u#k","publicKeyPem":"P"}`, nil},
		"a number":    {`5`, nil},
		"null":        {`null`, nil},
	} {
		d := mustDecode(t, []byte(`{"id":"https://x.example/u","type":"Service","inbox":"https://x.example/i","publicKey":`+c.keys+`}`))
		actor, err := ParseActor(d)
		if diff := cmp.Diff(c.want, actor.PublicKeys); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	alone, err := ParsePublicKey(mustDecode(t, []byte(key)))
	if err != nil || alone.PEM != "P" {
		t.Errorf("%+v, %v", alone, err)
	}
}

func TestPostsOfOtherSoftwareAreThings(t *testing.T) {
	t.Parallel()
	note, err := ParsePage(payload(t, "wordpress_note"))
	want := Page{
		ID: "https://w.example/?p=12#post#post", URL: "https://w.example/2026/hi/", AttributedTo: "https://w.example/author/hana/",
		Tags: []string{"bees"}, Published: time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC),
		To: []string{Public, "https://w.example/author/hana/followers"},
	}
	if diff := cmp.Diff(want, note); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	video, err := ParsePage(payload(t, "peertube_video"))
	if err != nil || video.URL != "https://t.example/w/7d0a" || video.AttributedTo != "https://t.example/accounts/ida" || video.Name != "Bees: a film" {
		t.Errorf("%+v, %v", video, err)
	}
}

func TestDeletionOfAnActor(t *testing.T) {
	t.Parallel()
	del, err := ParseDelete(payload(t, "mastodon_delete_actor"))
	if err != nil || del.Actor != del.Object || del.To[0] != Public {
		t.Errorf("%+v, %v", del, err)
	}
}

func TestUnknownTypesAreNoActivities(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"mastodon_like": true, "mastodon_follow": true, "mastodon_delete_actor": true,
		"pleroma_react": false, "mastodon_actor": false, "wordpress_note": false,
	} {
		if got := payload(t, name).IsActivity(); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, doc := range []string{`{"type":"Announce"}`, `{"type":["Like"]}`} {
		if !mustDecode(t, []byte(doc)).IsActivity() {
			t.Errorf("%s is an activity", doc)
		}
	}
	for _, doc := range []string{`{}`, `{"type":"fl:Flattr"}`, `{"type":["Like","Undo"]}`, `{"type":5}`} {
		if mustDecode(t, []byte(doc)).IsActivity() {
			t.Errorf("%s is no activity", doc)
		}
	}
}
