package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"

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

// The members are in JCS's order, so that what has nothing to escape is canonical as it is written.
type lineJSON struct {
	Amount string      `json:"amount"`
	Payee  string      `json:"payee"`
	Things []thingJSON `json:"things"`
}

type thingJSON struct {
	Amount  string `json:"amount,omitempty"`
	Flattrs int64  `json:"flattrs"`
	Object  string `json:"object"`
}

func (l Line) wire() lineJSON {
	w := lineJSON{Payee: l.Payee, Amount: strconv.FormatInt(l.Amount, 10), Things: make([]thingJSON, len(l.Things))}
	for i, t := range l.Things {
		w.Things[i] = thingJSON{Object: t.Object, Flattrs: t.Flattrs}
		if t.Amount != untold {
			w.Things[i].Amount = strconv.FormatInt(t.Amount, 10)
		}
	}
	return w
}

// LinesDigest is "sha-256:" and the hex SHA-256 over the JCS (RFC 8785) of the array of all lines.
func LinesDigest(lines []Line) (string, error) {
	wire := make([]lineJSON, len(lines))
	for i, l := range lines {
		wire[i] = l.wire()
	}
	plain, err := json.Marshal(wire)
	if err != nil {
		return "", err
	}
	canonical := plain
	if bytes.ContainsFunc(plain, func(r rune) bool { return r == '\\' || r > 0x7e }) { // JCS may write this in another way
		if canonical, err = jcs.Transform(plain); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256(canonical)
	return "sha-256:" + hex.EncodeToString(sum[:]), nil
}

// thingsJSON is the stored form of a line's things.
func (l Line) thingsJSON() ([]byte, error) { return json.Marshal(l.wire().Things) }

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
