package vocab

import (
	"time"

	"github.com/go-fed/activity/streams"
)

// An Undo takes back a Like or a Follow (ActivityPub §7.15). That its actor is also
// the actor of what is undone is for the receiver to check, against what it stored.
type Undo struct {
	ID        string
	Actor     string
	Object    string  // id of the activity undone
	Like      *Like   // the whole Like, if it was embedded
	Follow    *Follow // the whole Follow, if it was embedded
	Published time.Time
	To        []string
}

// ParseUndo reads an Undo, of an embedded activity or of a bare id (Lemmy sends
// either). An embedded activity of another type is left unread. Errors are *Fault.
func ParseUndo(d Document) (Undo, error) {
	r := read(d, "Undo")
	undo := Undo{
		ID:        r.ref("id"),
		Actor:     r.ref("actor"),
		Object:    r.ref("object"),
		Published: r.published(),
		To:        r.audience("to"),
	}
	inner, embedded, err := d.Embedded("object")
	r.keep(err)
	if !embedded || r.err != nil {
		return undo, r.err
	}
	switch name, _ := inner.Type(); name {
	case "Like":
		like, err := ParseLike(inner)
		undo.Like, r.err = &like, err
	case "Follow":
		follow, err := ParseFollow(inner)
		undo.Follow, r.err = &follow, err
	}
	return undo, r.err
}

// RenderUndo writes the Undo of a Like. The full Like is embedded: Mastodon,
// PeerTube and GoToSocial don't look a bare id up.
func RenderUndo(u Undo) ([]byte, error) {
	if u.Like == nil {
		return nil, &Fault{Code: CodeMissing, Path: "/object", Rule: "the Like to undo"}
	}
	undo := streams.NewActivityStreamsUndo()
	return compose(undo, u.ID).by(undo, u.Actor).addressed(u.To, nil).published(u.Published).
		embed("object", u.Like.draft()).render(flattrContext)
}
