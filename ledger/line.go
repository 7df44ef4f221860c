package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/gowebpki/jcs"
)

// Line is what a claim says about one payee: the sum, and the flattrs behind it (protocol §8).
type Line struct {
	Payee  string      // actor
	Split  int32       // the version of its things' split, if they are co-authored; else 0
	Amount int64       // micro-units, > 0
	Things []LineThing // sorted by Object
}

// LineThing is one thing of a line. Amount is -1 where it isn't told, so that no single gift
// shows by subtraction.
type LineThing struct {
	Object  string
	Flattrs int64
	Amount  int64
}

const untold = -1

// thingJSON is a line's thing as it is stored and told.
type thingJSON struct {
	Amount  string `json:"amount"`
	Flattrs int64  `json:"flattrs"`
	Object  string `json:"object"`
}

// LinesDigest is "sha-256:" and the hex SHA-256 over the JCS (RFC 8785) of the array of all lines.
func LinesDigest(lines []Line) (string, error) {
	d := newLinesDigest()
	for _, l := range lines {
		if _, err := d.add(l); err != nil {
			return "", err
		}
	}
	return d.String(), nil
}

// linesDigest is a LinesDigest of lines that come one after the other, so that nobody holds all of them.
type linesDigest struct {
	sum   hash.Hash
	raw   []byte // a line, of which the next takes the place
	comma string
}

func newLinesDigest() *linesDigest {
	d := &linesDigest{sum: sha256.New()}
	d.sum.Write([]byte{'['})
	return d
}

// add takes the next line, with its members in JCS's order, so that what has nothing to escape is canonical as it
// is. A month's claims are many thousand lines; by reflection they take as long as the split. It returns the
// line's things as they are stored.
func (d *linesDigest) add(l Line) (things []byte, err error) {
	d.raw = append(strconv.AppendInt(append(d.raw[:0], `{"amount":"`...), l.Amount, 10), `","payee":`...)
	d.raw = appendString(d.raw, l.Payee)
	if l.Split != 0 {
		d.raw = append(strconv.AppendInt(append(d.raw, `,"split":"`...), int64(l.Split), 10), '"')
	}
	d.raw = append(d.raw, `,"things":`...)
	start := len(d.raw)
	d.raw = l.appendThings(d.raw)
	things = bytes.Clone(d.raw[start:])
	d.raw = append(d.raw, '}')
	canonical := d.raw
	if !printable(d.raw) || bytes.IndexByte(d.raw, '\\') >= 0 { // JCS may write this in another way
		if canonical, err = jcs.Transform(d.raw); err != nil {
			return nil, err
		}
	}
	io.WriteString(d.sum, d.comma)
	d.sum.Write(canonical)
	d.comma = ","
	return things, nil
}

// String is the digest of the lines so far.
func (d *linesDigest) String() string {
	d.sum.Write([]byte{']'})
	return "sha-256:" + hex.EncodeToString(d.sum.Sum(nil))
}

// printable tells whether text is of ASCII's printable characters.
func printable[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

func (l Line) appendThings(b []byte) []byte {
	b = append(b, '[')
	for i, t := range l.Things {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		if t.Amount != untold {
			b = append(b, `"amount":"`...)
			b = strconv.AppendInt(b, t.Amount, 10)
			b = append(b, `",`...)
		}
		b = append(b, `"flattrs":`...)
		b = strconv.AppendInt(b, t.Flattrs, 10)
		b = append(b, `,"object":`...)
		b = appendString(b, t.Object)
		b = append(b, '}')
	}
	return append(b, ']')
}

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	if !printable(s) || strings.ContainsAny(s, `"\<>&`) {
		quoted, _ := json.Marshal(s) // a string can always be
		return append(b, quoted...)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// stored is a line's split as a row has it.
func (l Line) stored() *int32 {
	if l.Split == 0 {
		return nil
	}
	return &l.Split
}

// thingsJSON is the stored form of a line's things.
func (l Line) thingsJSON() []byte { return l.appendThings(nil) }

// readThings is its inverse.
func readThings(stored []byte) ([]LineThing, error) {
	var wire []thingJSON
	if err := json.Unmarshal(stored, &wire); err != nil {
		return nil, err
	}
	things := make([]LineThing, len(wire))
	for i, w := range wire {
		things[i] = LineThing{Object: w.Object, Flattrs: w.Flattrs, Amount: untold}
		if w.Amount != "" {
			amount, err := strconv.ParseInt(w.Amount, 10, 64)
			if err != nil {
				return nil, err
			}
			things[i].Amount = amount
		}
	}
	return things, nil
}

// hideSmall leaves out the amounts of things with fewer than three flattrs, and of as many more
// things as it takes until those without an amount total none or at least three flattrs: else the
// line's sum would tell what a single giver gave (protocol §8). A line with fewer than three
// flattrs in all unavoidably tells something.
func hideSmall(things []LineThing) {
	order := make([]int, len(things))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(things[a].Flattrs, things[b].Flattrs) })
	hidden := int64(0)
	for _, i := range order {
		if things[i].Flattrs >= 3 && (hidden == 0 || hidden >= 3) {
			continue
		}
		hidden += things[i].Flattrs
		things[i].Amount = untold
	}
}
