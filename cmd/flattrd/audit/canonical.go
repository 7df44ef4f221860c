package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/gowebpki/jcs"
)

// lineThing is what a line says about one thing; amount is -1 where it isn't told.
type lineThing struct {
	place           int32 // in things; -1: no thing that is known here
	object          string
	flattrs, amount int64
}

const untold = -1

// canonical is a line in JCS. Its things are taken as they are stored: what is added there shows.
func (l *line) canonical() []byte {
	payee, _ := json.Marshal(l.payee)
	split := ""
	if l.split != nil {
		split = fmt.Sprintf(`,"split":"%d"`, *l.split)
	}
	raw := fmt.Appendf(nil, `{"amount":"%d","payee":%s%s,"things":%s}`, l.amount, payee, split, l.things)
	canonical, err := jcs.Transform(raw)
	if err != nil {
		return fmt.Appendf(nil, "no JSON: %v", err)
	}
	return canonical
}

// digestOf is what the protocol's §8 says of lines that are sorted by payee.
func digestOf(lines []line) string {
	raw := []byte{'['}
	for i := range lines {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = append(raw, lines[i].canonical()...)
	}
	return sha256Hex(append(raw, ']'))
}

func sha256Hex(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha-256:" + hex.EncodeToString(sum[:])
}

// readLineThings reads the JSON of a line.
func (a *auditor) readLineThings(raw []byte) ([]lineThing, error) {
	var told []struct {
		Object  string
		Flattrs int64
		Amount  *string
	}
	if err := json.Unmarshal(raw, &told); err != nil {
		return nil, err
	}
	things := make([]lineThing, len(told))
	for i, t := range told {
		things[i] = lineThing{place: -1, object: t.Object, flattrs: t.Flattrs, amount: untold}
		if place, ok := a.thingIRI[t.Object]; ok {
			things[i].place = place
		}
		if t.Amount != nil {
			amount, err := strconv.ParseInt(*t.Amount, 10, 64)
			if err != nil {
				return nil, err
			}
			things[i].amount = amount
		}
	}
	return things, nil
}
