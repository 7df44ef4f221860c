package vocab

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/go-fed/activity/streams/vocab"
)

// Limits of single members. A document that breaks one is refused, not cut.
const (
	maxRefs    = 1000      // entries of a list of addresses
	maxName    = 2000      // bytes of a name or title
	maxSummary = 64 << 10  // bytes of a summary
	maxToken   = 128       // bytes of an opaque token
	maxCount   = 1_000_000 // of lines, of flattrs in a line
)

var (
	monthGrammar  = regexp.MustCompile(`^[0-9]{4}-(0[1-9]|1[0-2])$`)
	assetGrammar  = regexp.MustCompile(`^[A-Z]{3}$`)
	digestGrammar = regexp.MustCompile(`^sha-256:[0-9a-f]{64}$`)
)

// reader takes members off a document and keeps the first fault, so that a parser
// reads like the struct it fills (as bufio.Scanner keeps its error for the end).
type reader struct {
	doc Document
	as2 vocab.Type // the same object in go-fed's vocabulary; nil for other types
	err error
}

// read begins a parser of an ActivityStreams object: it must be of one of these
// types, each of which go-fed knows.
func read(d Document, types ...string) *reader {
	r := &reader{doc: d}
	name, err := d.Type()
	r.keep(err)
	if err == nil && !slices.Contains(types, name) {
		r.fail(CodeType, "type", fmt.Sprintf("one of %v", types))
	}
	if r.err == nil {
		r.as2, err = d.resolve()
		r.keep(err)
	}
	return r
}

// readAs begins a parser of an object of another vocabulary.
func readAs(d Document, iri string) *reader {
	r := &reader{doc: d}
	if !d.Is(iri) {
		r.fail(CodeType, "type", short(iri))
	}
	return r
}

func (r *reader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) fail(code, name, rule string) {
	_, path, _ := r.doc.lookup(name)
	r.keep(&Fault{Code: code, Path: path, Rule: rule})
}

// has says whether a member is there; unlike Document.Has it keeps the fault of a
// term that is there twice.
func (r *reader) has(name string) bool {
	value, _, err := r.doc.lookup(name)
	r.keep(err)
	return value != nil
}

// ref is a required reference.
func (r *reader) ref(name string) string {
	ref, err := r.doc.Ref(name)
	r.keep(err)
	return ref
}

// optRef is a reference that may be absent.
func (r *reader) optRef(name string) string {
	if !r.has(name) {
		return ""
	}
	return r.ref(name)
}

// address is a required address as a plain string, nothing else.
func (r *reader) address(name string) string {
	value, path, err := r.doc.lookup(name)
	r.keep(err)
	iri, ok := value.(string)
	if !ok {
		r.keep(missingOr(value, path, CodeKind, "one address"))
	}
	r.keep(at(path, checkIRI(iri)))
	return iri
}

func (r *reader) refs(name string) []string {
	refs, err := r.doc.Refs(name)
	r.keep(err)
	return refs
}

// audience is a list of addressees. Public has three spellings (ActivityPub §5.6).
// Addressees that are no web addresses can't be delivered to and are left out.
func (r *reader) audience(name string) []string {
	value, _, err := r.doc.lookup(name)
	r.keep(err)
	var found []string
	for _, entry := range asList(value) {
		if entry == "as:Public" || entry == "Public" {
			entry = Public
		}
		if ref, err := reference(entry, ""); err == nil && len(found) < maxRefs {
			found = append(found, ref)
		}
	}
	return found
}

func (r *reader) text(name string, max int) string {
	text, err := r.doc.Text(name, max)
	r.keep(err)
	return text
}

// match is a required string of a grammar; code is that of breaking it.
func (r *reader) match(name, code string, grammar *regexp.Regexp, rule string) string {
	text := r.text(name, maxName)
	switch {
	case !r.has(name):
		r.fail(CodeMissing, name, "required")
	case !grammar.MatchString(text):
		r.fail(code, name, rule)
	}
	return text
}

func (r *reader) month(name string) string {
	return r.match(name, CodePeriod, monthGrammar, "a month: YYYY-MM")
}

func (r *reader) digest(name string) string {
	return r.match(name, CodeValue, digestGrammar, "sha-256: and 64 hex digits")
}

func (r *reader) optMonth(name string) string {
	if !r.has(name) {
		return ""
	}
	return r.month(name)
}

// published is the typed AS2 property; zero if it is absent.
func (r *reader) published() time.Time {
	object, ok := r.as2.(interface {
		GetActivityStreamsPublished() vocab.ActivityStreamsPublishedProperty
	})
	if !ok || object.GetActivityStreamsPublished() == nil {
		return time.Time{}
	}
	published := object.GetActivityStreamsPublished()
	if !published.IsXMLSchemaDateTime() || !writableYear(published.Get()) {
		r.fail(CodeValue, "published", "an RFC 3339 time")
	}
	return published.Get().UTC()
}

func (r *reader) time(name string) time.Time {
	when, err := r.doc.Time(name)
	r.keep(err)
	return when
}

func (r *reader) flag(name string) bool {
	flag, err := r.doc.Flag(name)
	r.keep(err)
	return flag
}

func (r *reader) count(name string, max int64) int64 {
	n, err := r.doc.Count(name, max)
	r.keep(err)
	return n
}

// amount is a required amount in micro-units.
func (r *reader) amount(name string) int64 {
	value, path, err := r.doc.lookup(name)
	r.keep(err)
	amount, err := ParseAmount(value)
	r.keep(at(path, err))
	return amount
}

// asset is the currency of a money object, after the check that its scale is ours.
func (r *reader) asset() string {
	if scale := r.count(TermAssetScale, 18); scale != Scale {
		r.fail(CodeScale, TermAssetScale, "6: amounts are micro-units")
	}
	return r.match(TermAssetCode, CodeCurrency, assetGrammar, "an ISO 4217 code")
}

// embedded is a required object inside a member.
func (r *reader) embedded(name string) Document {
	inner, ok, err := r.doc.Embedded(name)
	r.keep(err)
	if !ok {
		r.fail(CodeMissing, name, "an embedded object")
	}
	return inner
}
