package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/gowebpki/jcs"
)

// Line is what a claim says about one payee: the sum, and the flattrs behind it (protocol §8).
type Line struct {
	Payee  string      // actor
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
	raw := []byte{'['}
	for i, l := range lines {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = l.appendJSON(raw)
	}
	raw = append(raw, ']')
	if bytes.ContainsFunc(raw, func(r rune) bool { return r == '\\' || r > 0x7e }) { // JCS may write this in another way
		var err error
		if raw, err = jcs.Transform(raw); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256(raw)
	return "sha-256:" + hex.EncodeToString(sum[:]), nil
}

// appendJSON writes a line with its members in JCS's order, so that what has nothing to escape is canonical
// as it is. A month's claims are many thousand lines; by reflection they take as long as the split.
func (l Line) appendJSON(b []byte) []byte {
	b = append(b, `{"amount":"`...)
	b = strconv.AppendInt(b, l.Amount, 10)
	b = append(b, `","payee":`...)
	b = appendString(b, l.Payee)
	b = append(b, `,"things":`...)
	b = l.appendThings(b)
	return append(b, '}')
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
	if strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e || strings.ContainsRune(`"\<>&`, r) }) {
		quoted, _ := json.Marshal(s) // a string can always be
		return append(b, quoted...)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
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
