package vocab

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-fed/activity/streams"
)

// MaxAuthors is how many authors a version of a split names at most; maxWeight is the most that one weighs.
const (
	MaxAuthors = 40 // those of the version before included
	maxWeight  = 1_000_000
	maxSplits  = 200
)

// An Author is who is in a version of a thing's split (protocol §3). Weight 0: gets nothing in it, but did in the
// version before.
type Author struct {
	Payee  string
	Name   string // for people
	Weight int64
}

// A Split is a version of how what a thing gets is divided among its authors.
type Split struct {
	ID      string
	Version int64
	Period  string // of one that is consented to: the month from which on it is in force
	Authors []Author
}

// A SplitOffer asks an instance for the consent of its members to a version. It is valid only with a proof by the
// accounting key.
type SplitOffer struct {
	Split            // ID is the offer's; Period is ""
	Actor     string // instance actor
	To        string // instance actor
	Published time.Time
	Page      string // the thing's id
	URL       string // what it is about
	Title     string
	Owner     string // actor, and a name for people
	OwnerName string
}

// RenderSplitOffer writes it, without proof.
func RenderSplitOffer(o SplitOffer) ([]byte, error) {
	if err := o.Split.check(false); err != nil {
		return nil, err
	}
	for _, iri := range []string{o.ID, o.Actor, o.To, o.Page, o.URL, o.Owner} {
		if err := checkIRI(iri); err != nil {
			return nil, err
		}
	}
	return finish(map[string]any{
		"type": "Offer", "id": o.ID, "actor": o.Actor, "to": []any{o.To}, "published": o.Published.UTC().Format(time.RFC3339),
		"object": map[string]any{"type": "fl:Split", "object": o.Page, "attributedTo": o.Owner, "url": o.URL, "name": o.Title,
			"summary": o.OwnerName, "fl:version": o.Version, "fl:authors": o.authors()},
	}, splitContext)
}

// ParseSplitOffer reads it. Errors are *Fault; the proof is the reader's to check.
func ParseSplitOffer(d Document) (SplitOffer, error) {
	r := read(d, "Offer")
	inner := readAs(r.embedded("object"), SplitType)
	o := SplitOffer{Actor: r.ref("actor"), Published: r.published(), Page: inner.ref("object"), URL: inner.ref("url"),
		Title: inner.text("name", maxName), Owner: inner.ref("attributedTo"), OwnerName: inner.text("summary", maxName)}
	if to := r.audience("to"); len(to) > 0 {
		o.To = to[0]
	}
	o.Split = Split{ID: r.ref("id"), Version: inner.count(TermVersion, 1<<31-1)}
	value, path, err := inner.doc.lookup(TermAuthors)
	inner.keep(err)
	if inner.err == nil {
		o.Authors, err = parseAuthors(value)
		inner.keep(at(path, err))
	}
	r.keep(inner.err)
	if r.err == nil {
		r.keep(o.Split.check(false))
	}
	return o, r.err
}

// authors is the JSON literal of a version's authors.
func (s Split) authors() []any {
	all := make([]any, len(s.Authors))
	for i, a := range s.Authors {
		row := map[string]any{"payee": a.Payee, "weight": a.Weight}
		if a.Name != "" {
			row["name"] = a.Name
		}
		all[i] = row
	}
	return all
}

func parseAuthors(value any) ([]Author, error) {
	rows, ok := value.([]any)
	if !ok || len(rows) > MaxAuthors {
		return nil, &Fault{Code: CodeKind, Rule: fmt.Sprintf("a list of at most %d authors", MaxAuthors)}
	}
	all := make([]Author, len(rows))
	for i, row := range rows {
		r, err := readRow(row)
		if err != nil {
			return nil, at(fmt.Sprintf("/%d", i), err)
		}
		all[i] = Author{Payee: r.address("payee"), Name: r.text("name", maxName), Weight: r.count("weight", maxWeight)}
		if r.err != nil {
			return nil, at(fmt.Sprintf("/%d", i), r.err)
		}
	}
	return all, nil
}

// check is the pair of checks on both sides of the wire.
func (s Split) check(inForce bool) error {
	total := int64(0)
	for i, a := range s.Authors {
		if err := checkIRI(a.Payee); err != nil {
			return at(fmt.Sprintf("/fl:authors/%d/payee", i), err)
		}
		if a.Weight < 0 || a.Weight > maxWeight {
			return &Fault{Code: CodeValue, Path: fmt.Sprintf("/fl:authors/%d/weight", i), Rule: "a weight from 0 to 1000000"}
		}
		total += a.Weight
	}
	switch {
	case total == 0 || len(s.Authors) > MaxAuthors:
		return &Fault{Code: CodeValue, Path: "/fl:authors", Rule: fmt.Sprintf("1 to %d authors, one of them with a weight", MaxAuthors)}
	case s.Version < 1:
		return &Fault{Code: CodeValue, Path: "/fl:version", Rule: "a number from 1 on"}
	case inForce && !monthGrammar.MatchString(s.Period):
		return &Fault{Code: CodePeriod, Path: "/period", Rule: "a month: YYYY-MM"}
	}
	return checkIRI(s.ID)
}

// rows is the JSON literal of the versions that a Page tells.
func splitRows(all []Split) ([]any, error) {
	rows := make([]any, len(all))
	for i, s := range all {
		if err := s.check(true); err != nil {
			return nil, at(fmt.Sprintf("/fl:split/%d", i), err)
		}
		rows[i] = map[string]any{"id": s.ID, "version": s.Version, "period": s.Period, "authors": s.authors()}
	}
	return rows, nil
}

// splits reads what a Page tells of its versions; it may tell none.
func (r *reader) splits() []Split {
	value, path, err := r.doc.lookup(TermSplit)
	r.keep(err)
	if value == nil {
		return nil
	}
	rows := asList(value)
	if len(rows) > maxSplits {
		r.fail(CodeValue, TermSplit, fmt.Sprintf("at most %d versions", maxSplits))
		return nil
	}
	var all []Split
	for i, entry := range rows {
		s, err := parseSplit(entry)
		r.keep(at(fmt.Sprintf("%s/%d", path, i), err))
		all = append(all, s)
	}
	return all
}

func parseSplit(entry any) (Split, error) {
	r, err := readRow(entry)
	if err != nil {
		return Split{}, err
	}
	s := Split{ID: r.address("id"), Version: r.count("version", 1<<31-1), Period: r.month("period")}
	if r.err == nil {
		s.Authors, r.err = parseAuthors(r.doc.members["authors"])
	}
	if r.err == nil {
		r.err = s.check(true)
	}
	return s, r.err
}

// A SplitAnswer accepts or refuses a version for one author. It is valid only with a proof by the accounting key.
type SplitAnswer struct {
	Answer        // Object is the offer's id
	Payee  string // for whom
}

// RenderSplitAnswer writes it, without proof.
func RenderSplitAnswer(a SplitAnswer) ([]byte, error) {
	d := a.Answer.draft()
	if a.Verdict != Accepted && a.Verdict != Refused {
		d.keep(&Fault{Code: CodeValue, Path: "/type", Rule: "Accept or Reject"})
	}
	return d.ref("fl:payee", a.Payee).render(splitContext)
}

// ParseSplitAnswer reads it. Errors are *Fault.
func ParseSplitAnswer(d Document) (SplitAnswer, error) {
	r := read(d, string(Accepted), string(Refused))
	return SplitAnswer{Answer: r.answer(), Payee: r.ref(TermPayee)}, r.err
}

// RenderSplitWithdrawn takes an offer back, without proof.
func RenderSplitWithdrawn(u Undo) ([]byte, error) {
	undo := streams.NewActivityStreamsUndo()
	return compose(undo, u.ID).by(undo, u.Actor).addressed(u.To, nil).published(u.Published).
		set("object", map[string]any{"type": "Offer", "id": u.Object}).render(splitContext)
}

// RenderUpdatePage tells that a button has changed. The id is the activity's.
func RenderUpdatePage(id string, p Page, to []string) ([]byte, error) {
	update := streams.NewActivityStreamsUpdate()
	return compose(update, id).by(update, p.AttributedTo).addressed(to, nil).published(p.Updated).
		embed("object", p.draft()).render(p.context())
}

// formatVersion spells a version as Likes and lines do; 0 is none.
func formatVersion(version int64) string {
	if version == 0 {
		return ""
	}
	return strconv.FormatInt(version, 10)
}

// version reads one; 0: none is named.
func (r *reader) version(name string) int64 {
	if !r.has(name) {
		return 0
	}
	n, err := strconv.ParseInt(r.text(name, maxToken), 10, 32)
	if err != nil || n < 1 {
		r.fail(CodeValue, name, "a number from 1 on")
	}
	return n
}
