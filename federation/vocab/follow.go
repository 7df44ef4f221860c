package vocab

import "github.com/go-fed/activity/streams"

// A Follow asks for an actor's publications (ActivityPub §7.5). The same pair of
// actors may send it again under another id.
type Follow struct {
	ID     string
	Actor  string // who follows
	Object string // whom
}

// ParseFollow reads a Follow. Errors are *Fault.
func ParseFollow(d Document) (Follow, error) {
	r := read(d, "Follow")
	return Follow{ID: r.ref("id"), Actor: r.ref("actor"), Object: r.ref("object")}, r.err
}

// RenderFollow writes a Follow, addressed to the actor followed.
func RenderFollow(f Follow) ([]byte, error) {
	return f.draft().addressed([]string{f.Object}, nil).render(plainContext)
}

func (f Follow) draft() *draft {
	follow := streams.NewActivityStreamsFollow()
	return compose(follow, f.ID).by(follow, f.Actor).ref("object", f.Object)
}
