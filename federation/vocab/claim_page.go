package vocab

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-fed/activity/streams"
)

// MaxLinesPage is the largest page of lines that is taken, in bytes: as large as what we send.
const MaxLinesPage = MaxSent

// A LinesPage is a page of the lines of a claim that has too many to carry in itself (protocol §8). Its
// id is PageID of the place where it starts; pages may be cut anywhere, as long as a body stays small.
type LinesPage struct {
	Claim string
	Start int64  // how many lines stand on the pages before
	Total int64  // of the claim
	Lines []Line // in canonical order, at least one
}

// LinesID is where the lines of a claim are read: the address of the first page, too.
func LinesID(claim string) string { return claim + "/lines" }

// PageID is the page of a claim's lines that begins after so many.
func PageID(claim string, start int64) string {
	return LinesID(claim) + "?after=" + strconv.FormatInt(start, 10)
}

// end is how many lines stand on this page and those before.
func (p LinesPage) end() int64 { return p.Start + int64(len(p.Lines)) }

// Next is the page after this one, "" after the last.
func (p LinesPage) Next() string {
	if p.end() >= p.Total {
		return ""
	}
	return PageID(p.Claim, p.end())
}

// RenderLinesPage writes a page; bad lines are a *Fault.
func RenderLinesPage(p LinesPage) ([]byte, error) {
	lines, err := canonicalLines(p.Lines)
	if err != nil {
		return nil, at("/fl:lines", err)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	page := streams.NewActivityStreamsOrderedCollectionPage()
	counted(page, p.Total)
	return compose(page, PageID(p.Claim, p.Start)).optRef("partOf", LinesID(p.Claim)).
		optRef("next", p.Next()).set("fl:lines", lines).render(moneyContext)
}

// ParseLinesPage reads a page and holds it to itself: its place stands in its id, and the next page is where this
// one ends. That the pages fit together, and to the claim's digest, is the receiver's to check. Errors are
// *Fault.
func ParseLinesPage(d Document) (LinesPage, error) {
	if len(d.Raw()) > MaxLinesPage {
		return LinesPage{}, &Fault{Code: CodeSize, Rule: fmt.Sprintf("at most %d bytes in a page of lines", MaxLinesPage)}
	}
	r := read(d, "OrderedCollectionPage")
	id, part := r.ref("id"), r.ref("partOf")
	p := LinesPage{Total: r.count("totalItems", MaxLines)}
	next := r.optRef("next")
	p.Lines = r.lines()
	if r.err != nil {
		return p, r.err
	}
	var ok bool
	if p.Claim, ok = strings.CutSuffix(part, LinesID("")); !ok {
		r.fail(CodeValue, "partOf", "the lines of a claim")
	}
	start, found := strings.CutPrefix(id, LinesID(p.Claim)+"?after=")
	if at, err := strconv.ParseInt(start, 10, 32); !found || err != nil || PageID(p.Claim, at) != id {
		r.fail(CodeValue, "id", "the page's place: ?after=n")
	} else {
		p.Start = at
	}
	r.keep(p.check())
	if next != p.Next() {
		r.fail(CodeValue, "next", "the page after this one's lines, and none after the last")
	}
	return p, r.err
}

func (p LinesPage) check() error {
	if len(p.Lines) == 0 || len(p.Lines) > MaxInlineLines || p.Start < 0 || p.end() > p.Total || p.Total > MaxLines {
		return &Fault{Code: CodeCount, Path: "/fl:lines", Rule: fmt.Sprintf("1 to %d lines, no more than are left of the claim's", MaxInlineLines)}
	}
	return nil
}
