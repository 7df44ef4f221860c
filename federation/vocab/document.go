package vocab

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	datetime "github.com/go-fed/activity/streams/values/dateTime"
	"github.com/gowebpki/jcs"
)

// A Document is one received JSON object: the bytes as they came, and its members.
// The zero Document is an empty object. Documents are read-only and safe for
// concurrent use.
type Document struct {
	raw     []byte
	members map[string]any
	terms   terms
	keys    map[string][]string // our terms by meaning: IRI → the members that expand to it
	path    string              // where in the received document this object stands
}

func newDocument(members map[string]any, outer *terms, path string) Document {
	d := Document{members: members, path: path, keys: map[string][]string{}}
	if outer != nil {
		d.terms = *outer
	}
	if context, ok := members["@context"]; ok {
		d.terms = d.terms.extend(context)
	}
	for name := range members {
		if iri, ok := owns(d.terms.expand(name)); ok {
			d.keys[iri] = append(d.keys[iri], name)
		}
	}
	return d
}

// Raw is the document as it was received. For an embedded object, which has no
// bytes of its own, it is a deterministic encoding of the same members.
func (d Document) Raw() []byte {
	if d.raw != nil {
		return d.raw
	}
	raw, _ := marshal(d.members) // strings, numbers, lists and maps always encode
	return raw
}

// Members are the decoded members; numbers are json.Number. Not to be changed.
func (d Document) Members() map[string]any { return d.members }

// Content is the JCS form (RFC 8785) of the document without its proof: what two
// sides compare to know whether they speak of the same thing (protocol §8).
func (d Document) Content() ([]byte, error) {
	bare := make(map[string]any, len(d.members))
	for name, value := range d.members {
		if name != "proof" {
			bare[name] = value
		}
	}
	raw, err := marshal(bare)
	if err != nil {
		return nil, err
	}
	content, err := jcs.Transform(raw)
	if err != nil { // numbers beyond IEEE 754 are the only thing left to refuse
		return nil, &Fault{Code: CodeValue, Path: d.path, Rule: "numbers that JCS can write"}
	}
	return content, nil
}

// ContentDigest is the SHA-256 of Content, as "sha-256:" and 64 hex digits.
func (d Document) ContentDigest() (string, error) {
	content, err := d.Content()
	if err != nil {
		return "", err
	}
	return digest(content), nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha-256:" + hex.EncodeToString(sum[:])
}

// ID is the document's id as it was received: required, and an absolute web address.
func (d Document) ID() (string, error) { return d.Ref("id") }

// Type is the one type of the object. ActivityStreams allows several, but popular
// servers read only a string, and a list that each side reads differently is no
// base for money (protocol §4); a list of exactly one is taken as that one.
func (d Document) Type() (string, error) {
	value, path, err := d.lookup("type")
	if err != nil {
		return "", err
	}
	if name, ok := only(value).(string); ok && name != "" {
		return name, nil
	}
	return "", missingOr(value, path, CodeKind, "one single type")
}

// Is says whether the object's type expands to this IRI. A plain type that no
// inline context defines is ActivityStreams', whose context is implied by the media
// type (AS2 Core §2.1), or one of ValueFlows', which few contexts in use define alike.
func (d Document) Is(iri string) bool {
	name, err := d.Type()
	if err != nil {
		return false
	}
	if expanded := d.terms.expand(name); expanded != "" {
		return expanded == iri
	}
	return asNS+name == iri || vfNS+name == iri
}

// Has says whether a member of this name or term is present and not null.
func (d Document) Has(name string) bool {
	value, _, err := d.lookup(name)
	return err == nil && value != nil
}

// Ref is the id that a member points to: a string, an object with an id, or a list
// of exactly one of these. Required. The string is returned as received.
func (d Document) Ref(name string) (string, error) {
	value, path, err := d.lookup(name)
	if err != nil {
		return "", err
	}
	if value == nil {
		return "", &Fault{Code: CodeMissing, Path: path, Rule: "required"}
	}
	return reference(only(value), path)
}

// Refs are all ids that a member points to, in order; none if it is absent.
func (d Document) Refs(name string) ([]string, error) {
	value, path, err := d.lookup(name)
	if err != nil || value == nil {
		return nil, err
	}
	list := asList(value)
	if len(list) > maxRefs {
		return nil, &Fault{Code: CodeValue, Path: path, Rule: fmt.Sprintf("at most %d entries", maxRefs)}
	}
	refs := make([]string, 0, len(list))
	for i, entry := range list {
		ref, err := reference(entry, fmt.Sprintf("%s/%d", path, i))
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// Embedded is the object inside a member, or inside a list of exactly one; false
// if the member is absent or only a reference. It inherits the document's context.
func (d Document) Embedded(name string) (Document, bool, error) {
	value, path, err := d.lookup(name)
	if err != nil {
		return Document{}, false, err
	}
	members, ok := only(value).(map[string]any)
	if !ok {
		return Document{}, false, nil
	}
	return newDocument(members, &d.terms, path), true, nil
}

// EmbeddedList are the objects in a member, be it a list or a single object.
// References are left out.
func (d Document) EmbeddedList(name string) ([]Document, error) {
	value, path, err := d.lookup(name)
	if err != nil || value == nil {
		return nil, err
	}
	var found []Document
	for i, entry := range asList(value) {
		if members, ok := entry.(map[string]any); ok {
			found = append(found, newDocument(members, &d.terms, fmt.Sprintf("%s/%d", path, i)))
		}
	}
	return found, nil
}

// Text is a string member of at most max bytes, "" if it is absent.
func (d Document) Text(name string, max int) (string, error) {
	value, path, err := d.lookup(name)
	if err != nil || value == nil {
		return "", err
	}
	text, ok := only(value).(string)
	if !ok {
		return "", &Fault{Code: CodeKind, Path: path, Rule: "a string"}
	}
	if len(text) > max {
		return "", &Fault{Code: CodeValue, Path: path, Rule: fmt.Sprintf("at most %d bytes", max)}
	}
	return text, nil
}

// Time is an xsd:dateTime member in UTC (AS2 Core §2.3), zero if it is absent.
func (d Document) Time(name string) (time.Time, error) {
	value, path, err := d.lookup(name)
	if err != nil || value == nil {
		return time.Time{}, err
	}
	when, err := datetime.DeserializeDateTime(only(value))
	if err != nil || !writableYear(when) {
		return time.Time{}, &Fault{Code: CodeValue, Path: path, Rule: "an RFC 3339 time"}
	}
	return when.UTC(), nil
}

// writableYear keeps out what RFC 3339 can't write back once it is in UTC.
func writableYear(when time.Time) bool {
	year := when.UTC().Year()
	return 1 <= year && year <= 9999
}

// Flag is a boolean member, false if it is absent (FEP-5feb: missing is false).
func (d Document) Flag(name string) (bool, error) {
	value, path, err := d.lookup(name)
	if err != nil || value == nil {
		return false, err
	}
	flag, ok := only(value).(bool)
	if !ok {
		return false, &Fault{Code: CodeKind, Path: path, Rule: "true or false"}
	}
	return flag, nil
}

// Count is a non-negative whole number of at most max, 0 if it is absent.
func (d Document) Count(name string, max int64) (int64, error) {
	value, path, err := d.lookup(name)
	if err != nil || value == nil {
		return 0, err
	}
	return count(only(value), path, max)
}

// lookup finds a member by name, or by term if name is an IRI of ours, and the
// pointer to it. A null is as good as absent. Two members that mean one term are
// refused: which of them a reader takes must not be a matter of taste.
func (d Document) lookup(name string) (value any, path string, err error) {
	if !strings.Contains(name, ":") {
		return d.members[name], pointer(d.path, name), nil
	}
	keys := d.keys[name]
	if plain, ok := d.plainValueFlows(name); ok {
		keys = append([]string{plain}, keys...)
	}
	switch len(keys) {
	case 0:
		return nil, pointer(d.path, short(name)), nil
	case 1:
		return d.members[keys[0]], pointer(d.path, keys[0]), nil
	}
	return nil, "", &Fault{Code: CodeAmbiguous, Path: d.path, Rule: "one member for " + short(name)}
}

// plainValueFlows takes "stipulates" for vf:stipulates where no inline context says
// otherwise: FEP-0837 documents in use define differing parts of the vocabulary.
func (d Document) plainValueFlows(iri string) (string, bool) {
	plain, ok := strings.CutPrefix(iri, vfNS)
	if !ok || d.terms.expand(plain) != "" {
		return "", false
	}
	_, present := d.members[plain]
	return plain, present
}

// short is a term as people write it, for messages.
func short(iri string) string { return prefixes.Replace(iri) }

var prefixes = strings.NewReplacer(NS, "fl:", vfNS, "vf:")

func count(value any, path string, max int64) (int64, error) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, &Fault{Code: CodeKind, Path: path, Rule: "a whole number"}
	}
	n, err := number.Int64()
	if err != nil || n < 0 || n > max {
		return 0, &Fault{Code: CodeValue, Path: path, Rule: fmt.Sprintf("a whole number from 0 to %d", max)}
	}
	return n, nil
}

// reference reads string | {id}. Links are references too: their address is href.
func reference(value any, path string) (string, error) {
	if object, ok := value.(map[string]any); ok {
		id, named := object["id"]
		if !named {
			id = object["href"]
		}
		value, path = id, path+"/id"
	}
	iri, ok := value.(string)
	if !ok {
		return "", missingOr(value, path, CodeKind, "one IRI")
	}
	return iri, at(path, checkIRI(iri))
}

func missingOr(value any, path, code, rule string) error {
	if value == nil {
		return &Fault{Code: CodeMissing, Path: path, Rule: "required"}
	}
	return &Fault{Code: code, Path: path, Rule: rule}
}

// only unwraps a list of one. A longer list stays a list and fails where a single
// value is wanted.
func only(value any) any {
	if list, ok := value.([]any); ok && len(list) == 1 {
		return list[0]
	}
	return value
}

func asList(value any) []any {
	if list, ok := value.([]any); ok {
		return list
	}
	return []any{value}
}
