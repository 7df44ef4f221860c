package vocab

import (
	"time"

	"github.com/go-fed/activity/streams"
)

// A Like is a flattr on the wire (protocol §4), or, without a Period, the plain Like
// of the fediverse. It never carries an amount.
type Like struct {
	ID        string
	Actor     string
	Object    string // the thing
	Published time.Time
	To        []string

	Period   string // month "2026-11"; "" if this is no flattr
	Payee    string // who receives, if the thing is no button of the receiver's; else ""
	Carries  string // id of the old flattr that this one brings into the month, or ""
	Split    int64  // version of a co-authored thing's split, by which the receiver's members get a part; else 0
	GiverTag string // who gave, to an anonymous giver's home alone; else ""
}

// IsFlattr says whether the Like is a flattr: it names its month.
func (l Like) IsFlattr() bool { return l.Period != "" }

// ParseLike reads a Like. Errors are *Fault.
func ParseLike(d Document) (Like, error) {
	r := read(d, "Like")
	return Like{
		ID:        r.ref("id"),
		Actor:     r.ref("actor"),
		Object:    r.ref("object"),
		Published: r.published(),
		To:        r.audience("to"),
		Period:    r.optMonth(TermPeriod),
		Payee:     r.optRef(TermPayee),
		Carries:   r.optRef(TermCarries),
		Split:     r.version(TermSplit),
		GiverTag:  r.text(TermGiverTag, maxToken),
	}, r.err
}

// RenderLike writes a flattr: type, actor and object are plain strings, since
// Mastodon, PeerTube and Lemmy ignore anything else.
func RenderLike(l Like) ([]byte, error) {
	return l.draft().render(flattrContext)
}

func (l Like) draft() *draft {
	like := streams.NewActivityStreamsLike()
	d := compose(like, l.ID).by(like, l.Actor).addressed(l.To, nil).published(l.Published)
	if !monthGrammar.MatchString(l.Period) {
		d.keep(&Fault{Code: CodePeriod, Path: "/period", Rule: "a month: YYYY-MM"})
	}
	return d.ref("object", l.Object).set("period", l.Period).
		optRef("fl:payee", l.Payee).optRef("fl:carries", l.Carries).optText("fl:split", formatVersion(l.Split)).optText("fl:giverTag", l.GiverTag)
}
