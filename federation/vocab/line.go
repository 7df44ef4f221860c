package vocab

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gowebpki/jcs"
)

// How much of lines is taken, and told (protocol §8).
const (
	MaxInlineLines = 200       // that a claim carries in itself, or a page of its lines
	MaxLines       = 1_000_000 // of a claim in all
	MaxLineThings  = 100       // of a line
	MaxLineBytes   = 40_000    // of a line's JCS
)

// MaxLinesBytes is how many bytes so many lines of a claim have at most in all, in their JCS: who announces few lines
// can't have much fetched.
func MaxLinesBytes(lines int64) int64 { return 16_000_000 + 1_000*lines }

// A Line is what one payee gets in a claim, in micro-units. There is at most one per
// (payee, split version); lines of nothing are left out.
type Line struct {
	Payee  string      // actor id
	Split  string      // version of the split the payee shares in; "" for a sole owner
	Amount int64       // micro-units, > 0
	Things []LineThing // what it was given for; at least one
}

// A LineThing is how often one thing was flattred in the month, and what came of it.
type LineThing struct {
	Object  string // the thing's id, as in the Likes
	Flattrs int64  // ≥ 1
	// Amount is this thing's part in micro-units, if it may be told (protocol §8).
	Amount *int64
}

// wireLine and wireThing are the canonical JSON of a line. Their member names are
// fixed: lines are a JSON literal, no @context applies inside. Members stand in
// order of their names, as everywhere in what we write.
type wireLine struct {
	Amount string      `json:"amount"`
	Payee  string      `json:"payee"`
	Split  string      `json:"split,omitempty"`
	Things []wireThing `json:"things"`
}

type wireThing struct {
	Amount  string `json:"amount,omitempty"`
	Flattrs int64  `json:"flattrs"`
	Object  string `json:"object"`
}

// SortLines puts lines, and the things in them, into canonical order: by the bytes
// of payee and split version, and of object. It sorts in place.
func SortLines(lines []Line) {
	slices.SortFunc(lines, compareLines)
	for _, line := range lines {
		slices.SortFunc(line.Things, compareThings)
	}
}

func compareLines(a, b Line) int {
	return cmp.Or(cmp.Compare(a.Payee, b.Payee), cmp.Compare(a.Split, b.Split))
}

func compareThings(a, b LineThing) int { return cmp.Compare(a.Object, b.Object) }

// LinesDigest is the SHA-256 over the JCS (RFC 8785) of the array of all lines in
// canonical order, as "sha-256:" and 64 hex digits (protocol §8). The lines may come
// in any order and aren't changed. Doubled or malformed lines are a *Fault.
func LinesDigest(lines []Line) (string, error) {
	wire, err := canonicalLines(lines)
	if err != nil {
		return "", err
	}
	raw, err := marshal(wire)
	if err != nil {
		return "", err
	}
	canonical, err := jcs.Transform(raw)
	if err != nil {
		return "", fmt.Errorf("canonical lines: %w", err)
	}
	return digest(canonical), nil
}

// Bytes is the length of a line's JCS.
func (l Line) Bytes() (n int64) {
	n = int64(len(`{"amount":"","payee":"","things":[]}`) + digits(l.Amount) + quoted(l.Payee) - 1)
	if l.Split != "" {
		n += int64(len(`"split":"",`) + quoted(l.Split))
	}
	for _, t := range l.Things {
		n += int64(len(`{"flattrs":,"object":""},`) + digits(t.Flattrs) + quoted(t.Object))
		if t.Amount != nil {
			n += int64(len(`"amount":"",`) + digits(*t.Amount))
		}
	}
	return n
}

func digits(n int64) int { return len(strconv.FormatInt(n, 10)) }

// quoted is the length of a text in a JSON string; addresses have neither control characters nor backslashes.
func quoted(s string) int { return len(s) + strings.Count(s, `"`) }

// SumLines is the total of the lines in micro-units; a total beyond MaxAmount is a
// *Fault with CodeTotal.
func SumLines(lines []Line) (int64, error) {
	var total int64
	for i, line := range lines {
		sum, err := AddAmounts(total, line.Amount)
		if err != nil {
			return 0, at(fmt.Sprintf("/%d/amount", i), err)
		}
		total = sum
	}
	return total, nil
}

// canonicalLines is the wire form in canonical order, every line checked.
func canonicalLines(lines []Line) ([]wireLine, error) {
	sorted := make([]Line, len(lines))
	for i, line := range lines {
		line.Things = slices.Clone(line.Things)
		sorted[i] = line
	}
	SortLines(sorted)
	if err := checkLines(sorted); err != nil {
		return nil, err
	}
	wire := make([]wireLine, 0, len(sorted))
	for _, line := range sorted {
		wire = append(wire, line.wire())
	}
	return wire, nil
}

// wire formats a line that checkLines has passed.
func (l Line) wire() wireLine {
	amount, _ := FormatAmount(l.Amount)
	w := wireLine{Payee: l.Payee, Split: l.Split, Amount: amount}
	for _, thing := range l.Things {
		t := wireThing{Object: thing.Object, Flattrs: thing.Flattrs}
		if thing.Amount != nil {
			t.Amount, _ = FormatAmount(*thing.Amount)
		}
		w.Things = append(w.Things, t)
	}
	return w
}

// checkLines is the same check on both sides of the wire: before lines are rendered
// and after they are parsed.
func checkLines(lines []Line) error {
	for i, line := range lines {
		path := fmt.Sprintf("/%d", i)
		if i > 0 && compareLines(lines[i-1], line) >= 0 {
			return &Fault{Code: CodeOrder, Path: path, Rule: "each payee once, sorted"}
		}
		if err := line.check(); err != nil {
			return at(path, err)
		}
	}
	return nil
}

func (l Line) check() error {
	if err := checkIRI(l.Payee); err != nil {
		return at("/payee", err)
	}
	if len(l.Split) > MaxIRI {
		return &Fault{Code: CodeValue, Path: "/split", Rule: "at most 2048 bytes"}
	}
	if l.Amount <= 0 || l.Amount > MaxAmount {
		return &Fault{Code: CodeAmount, Path: "/amount", Rule: "more than nothing"}
	}
	switch {
	case len(l.Things) == 0:
		return &Fault{Code: CodeMissing, Path: "/things", Rule: "at least one thing"}
	case len(l.Things) > MaxLineThings:
		return &Fault{Code: CodeValue, Path: "/things", Rule: fmt.Sprintf("at most %d things; more are for a further claim", MaxLineThings)}
	case l.Bytes() > MaxLineBytes:
		return &Fault{Code: CodeSize, Path: "/things", Rule: fmt.Sprintf("at most %d bytes in a line; more is for a further claim", MaxLineBytes)}
	}
	for i, thing := range l.Things {
		path := fmt.Sprintf("/things/%d", i)
		if i > 0 && compareThings(l.Things[i-1], thing) >= 0 {
			return &Fault{Code: CodeOrder, Path: path, Rule: "each thing once, sorted"}
		}
		if err := thing.check(l.Amount); err != nil {
			return at(path, err)
		}
	}
	return nil
}

func (t LineThing) check(line int64) error {
	if err := checkIRI(t.Object); err != nil {
		return at("/object", err)
	}
	if t.Flattrs < 1 || t.Flattrs > maxCount {
		return &Fault{Code: CodeValue, Path: "/flattrs", Rule: "a whole number from 1 to 1000000"}
	}
	if t.Amount != nil && (*t.Amount < 0 || *t.Amount > line) {
		return &Fault{Code: CodeAmount, Path: "/amount", Rule: "at most the line's amount"}
	}
	return nil
}

// parseLines reads the inline lines of a claim: exact names, canonical order.
func parseLines(value any) ([]Line, error) {
	rows, ok := value.([]any)
	if !ok {
		return nil, missingOr(value, "", CodeKind, "a list of lines")
	}
	if len(rows) > MaxInlineLines {
		return nil, &Fault{Code: CodeValue, Rule: fmt.Sprintf("at most %d lines", MaxInlineLines)}
	}
	lines := make([]Line, 0, len(rows))
	for i, row := range rows {
		line, err := parseLine(row)
		if err != nil {
			return nil, at(fmt.Sprintf("/%d", i), err)
		}
		lines = append(lines, line)
	}
	return lines, checkLines(lines)
}

func parseLine(row any) (Line, error) {
	r, err := readRow(row)
	if err != nil {
		return Line{}, err
	}
	line := Line{Payee: r.address("payee"), Split: r.text("split", MaxIRI), Amount: r.amount("amount")}
	things, ok := r.doc.members["things"].([]any)
	if !ok {
		r.fail(CodeKind, "things", "a list of things")
	}
	for i, entry := range things {
		thing, err := parseThing(entry)
		r.keep(at(fmt.Sprintf("/things/%d", i), err))
		line.Things = append(line.Things, thing)
	}
	return line, r.err
}

func parseThing(entry any) (LineThing, error) {
	r, err := readRow(entry)
	if err != nil {
		return LineThing{}, err
	}
	thing := LineThing{Object: r.address("object"), Flattrs: r.count("flattrs", maxCount)}
	if r.doc.Has("amount") {
		amount := r.amount("amount")
		thing.Amount = &amount
	}
	return thing, r.err
}

// readRow begins a parser of one row of a JSON literal: no types, no context.
func readRow(row any) (*reader, error) {
	members, ok := row.(map[string]any)
	if !ok {
		return nil, &Fault{Code: CodeKind, Rule: "an object"}
	}
	return &reader{doc: Document{members: members}}, nil
}

// ParseLines reads all lines of a claim from their JSON, as the digest is over: an array of any length. Errors are
// *Fault.
func ParseLines(raw []byte) ([]Line, error) {
	var rows []any
	exact := json.NewDecoder(bytes.NewReader(raw))
	exact.UseNumber()
	if err := exact.Decode(&rows); err != nil {
		return nil, &Fault{Code: CodeKind, Rule: "a JSON array of lines"}
	}
	lines := make([]Line, len(rows))
	for i, row := range rows {
		var err error
		if lines[i], err = parseLine(row); err != nil {
			return nil, at(fmt.Sprintf("/%d", i), err)
		}
	}
	return lines, checkLines(lines)
}

// RenderLines is its inverse, in canonical form (RFC 8785).
func RenderLines(lines []Line) ([]byte, error) {
	wire, err := canonicalLines(lines)
	if err != nil {
		return nil, err
	}
	raw, err := marshal(wire)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(raw)
}
