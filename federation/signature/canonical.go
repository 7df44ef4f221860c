package signature

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/gowebpki/jcs"
)

// maxDocument is the longest document that is proved or verified, in bytes: what
// an inbox takes.
const maxDocument = 1 << 20

// members are those of a JSON object, each in canonical form.
type members map[string]json.RawMessage

// readObject takes a JSON object apart. It works on the canonical form (RFC 8785),
// which doesn't exist for duplicate names, lone surrogates or bad UTF-8: where two
// decoders could read two things, there is nothing to sign.
func readObject(doc []byte) (members, error) {
	if len(doc) > maxDocument {
		return nil, refuse(CodeBad, "document", "has %d bytes, may have %d", len(doc), maxDocument)
	}
	if err := exactNumbers(doc); err != nil {
		return nil, err
	}
	canonical, err := jcs.Transform(doc)
	if err != nil {
		return nil, refuse(CodeBad, "document", "has no canonical form: %v", err)
	}
	return objectOf("document", canonical)
}

func objectOf(field string, canonical []byte) (members, error) {
	var object members
	if err := json.Unmarshal(canonical, &object); err != nil || object == nil {
		return nil, refuse(CodeBad, field, "must be an object")
	}
	return object, nil
}

// canonical puts the members together again.
func (m members) canonical() ([]byte, error) {
	doc, err := json.Marshal(m)
	if err != nil {
		return nil, refuse(CodeBad, "document", "%v", err)
	}
	canonical, err := jcs.Transform(doc)
	if err != nil {
		return nil, refuse(CodeBad, "document", "%v", err)
	}
	return canonical, nil
}

// text is a member that is a string, exactly by that name: decoding into a struct
// would also take "ProofValue".
func (m members) text(name string) (string, bool) {
	var value *string
	if err := json.Unmarshal(m[name], &value); err != nil || value == nil {
		return "", false
	}
	return *value, true
}

// exactNumbers refuses numbers that the canonical form would change. JCS writes
// them as float64: 9007199254740993 is signed as …992, and two amounts would share
// a signature. Trailing zeros of a fraction are no change.
func exactNumbers(doc []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return refuse(CodeBad, "document", "isn't JSON")
		}
		if number, ok := token.(json.Number); ok && !exact(number.String()) {
			return refuse(CodeBad, "document", "number %.80q has no exact canonical form", number)
		}
	}
}

func exact(number string) bool {
	plain := number
	if strings.Contains(plain, ".") && !strings.ContainsAny(plain, "eE") {
		plain = strings.TrimSuffix(strings.TrimRight(plain, "0"), ".")
	}
	canonical, err := jcs.Transform([]byte(number))
	return err == nil && string(canonical) == plain
}
