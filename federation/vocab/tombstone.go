package vocab

import (
	"time"

	"github.com/go-fed/activity/streams"
)

// A Tombstone stands where an object was (AS2 Vocabulary §3.3, ActivityPub §6.4.1).
type Tombstone struct {
	ID         string
	FormerType string
	Deleted    time.Time
}

// RenderTombstone writes a Tombstone, to be served with 410.
func RenderTombstone(t Tombstone) ([]byte, error) {
	return t.draft().render(plainContext)
}

func (t Tombstone) draft() *draft {
	tombstone := streams.NewActivityStreamsTombstone()
	d := compose(tombstone, t.ID)
	if !t.Deleted.IsZero() {
		deleted := streams.NewActivityStreamsDeletedProperty()
		deleted.Set(t.Deleted.UTC())
		tombstone.SetActivityStreamsDeleted(deleted)
	}
	return d.optText("formerType", t.FormerType)
}

// A Delete removes an object or the actor itself (ActivityPub §7.4).
type Delete struct {
	ID        string
	Actor     string
	Object    string
	Published time.Time
	To        []string
}

// ParseDelete reads a Delete, of a bare id or of a Tombstone. Errors are *Fault.
func ParseDelete(d Document) (Delete, error) {
	r := read(d, "Delete")
	return Delete{
		ID:        r.ref("id"),
		Actor:     r.ref("actor"),
		Object:    r.ref("object"),
		Published: r.published(),
		To:        r.audience("to"),
	}, r.err
}

// RenderDelete writes a Delete with the bare id, which all servers take; for an actor
// Object is the actor.
func RenderDelete(del Delete) ([]byte, error) {
	activity := streams.NewActivityStreamsDelete()
	return compose(activity, del.ID).by(activity, del.Actor).addressed(del.To, nil).
		published(del.Published).ref("object", del.Object).render(plainContext)
}
