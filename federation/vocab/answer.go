package vocab

import (
	"regexp"
	"slices"
	"time"

	"github.com/go-fed/activity/streams"
)

// A Verdict is how an activity was answered: the type of the answer.
type Verdict string

const (
	Accepted Verdict = "Accept"
	Held     Verdict = "TentativeAccept" // taken until the payee's home decides (protocol §4)
	Refused  Verdict = "Reject"
)

// A Reason says why something was refused. Those of a peer are kept even if we don't
// know them (protocol §8: honoured and logged).
type Reason string

const (
	UnknownThing Reason = "unknown-thing" // Likes
	OwnThing     Reason = "own-thing"     // Likes
	PeriodClosed Reason = "period-closed" // Likes
	NotAccepting Reason = "not-accepting" // Likes and lines
	Blocked      Reason = "blocked"       // Likes and lines
	Deleted      Reason = "deleted"       // Likes and lines
	OtherSplit   Reason = "other-split"   // Likes: another version of the thing's split is in force
	UnknownPayee Reason = "unknown-payee" // lines
	NotReceived  Reason = "not-received"  // payments
	InFlight     Reason = "in-flight"     // nettings: something of it is in an unanswered payment
)

var reasonGrammar = regexp.MustCompile(`^[a-z][a-z-]{0,63}$`)

// ForLikes says whether a Like may be refused for this reason (protocol §4).
func (r Reason) ForLikes() bool {
	return slices.Contains([]Reason{UnknownThing, OwnThing, PeriodClosed, NotAccepting, Blocked, Deleted, OtherSplit}, r)
}

// ForLines says whether a line of a claim may be refused for this reason (protocol §8).
func (r Reason) ForLines() bool {
	return slices.Contains([]Reason{UnknownPayee, NotAccepting, Blocked, Deleted}, r)
}

// An Answer accepts, holds or refuses one activity: a Like, or a Follow. Answers to
// claims and payments carry more and have types of their own; ParseAnswer reads
// their head as well, so that a receiver can look up what Object is first.
type Answer struct {
	ID        string
	Actor     string
	Verdict   Verdict
	Object    string  // id of the activity answered
	Follow    *Follow // the Follow answered: embedded, for those who match it by its actor
	Reason    Reason  // with Refused, of a Like
	Published time.Time
	To        []string
}

// ParseAnswer reads an Accept, TentativeAccept or Reject. Errors are *Fault.
func ParseAnswer(d Document) (Answer, error) {
	r := read(d, string(Accepted), string(Held), string(Refused))
	answer := r.answer()
	if inner, ok, _ := d.Embedded("object"); ok && r.err == nil && inner.Is(asNS+"Follow") {
		follow, err := ParseFollow(inner)
		answer.Follow, r.err = &follow, err
	}
	return answer, r.err
}

func (r *reader) answer() Answer {
	name, _ := r.doc.Type()
	return Answer{
		ID:        r.ref("id"),
		Actor:     r.ref("actor"),
		Verdict:   Verdict(name),
		Object:    r.ref("object"),
		Reason:    r.optReason(TermReason),
		Published: r.published(),
		To:        r.audience("to"),
	}
}

func (r *reader) optReason(name string) Reason {
	if !r.has(name) {
		return ""
	}
	return Reason(r.match(name, CodeValue, reasonGrammar, "a reason of small letters and hyphens"))
}

// RenderAnswer writes the answer to a Like, or to the Follow in it, whose original
// is then embedded with its own id: Mastodon matches by either, Misskey would fetch a
// bare one.
func RenderAnswer(a Answer) ([]byte, error) {
	if a.Follow != nil {
		a.Object = a.Follow.ID
		return a.draft().embed("object", a.Follow.draft()).render(plainContext)
	}
	d := a.draft()
	if (a.Verdict == Refused) != (a.Reason != "") {
		d.keep(&Fault{Code: CodeValue, Path: "/fl:reason", Rule: "a reason with a Reject, and only there"})
	}
	return d.optText("fl:reason", string(a.Reason)).render(flattrContext)
}

// draft is what all answers share.
func (a Answer) draft() *draft {
	object := a.Verdict.activity()
	d := compose(object, a.ID).by(object, a.Actor).addressed(a.To, nil).published(a.Published)
	if object.GetTypeName() != string(a.Verdict) {
		d.keep(&Fault{Code: CodeValue, Path: "/type", Rule: "Accept, TentativeAccept or Reject"})
	}
	if a.Reason != "" && !reasonGrammar.MatchString(string(a.Reason)) {
		d.keep(&Fault{Code: CodeValue, Path: "/fl:reason", Rule: "a reason of small letters and hyphens"})
	}
	return d.ref("object", a.Object)
}

func (v Verdict) activity() activity {
	switch v {
	case Accepted:
		return streams.NewActivityStreamsAccept()
	case Held:
		return streams.NewActivityStreamsTentativeAccept()
	default: // no verdict is never taken for consent
		return streams.NewActivityStreamsReject()
	}
}
