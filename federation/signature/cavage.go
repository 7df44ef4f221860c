package signature

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	cavage "github.com/go-fed/httpsig"
)

// maxSignatureField is the longest Signature or Signature-Input that is read, in
// bytes; real ones have 300 to 900.
const maxSignatureField = 8 << 10

// parameter is one name="value" or name=123 of a Signature header
// (draft-cavage-12 §2.1), with the comma that may follow. Some servers write
// ", " between them; a quoted comma belongs to the value.
var parameter = regexp.MustCompile(`^[ \t]*([A-Za-z]+)=(?:"([^"\\]*)"|([0-9]+))[ \t]*(?:,|$)`)

// special are the names that stand for something else than a header field.
var special = []string{"(request-target)", "(created)", "(expires)"}

// cavageEnvelope holds what go-fed/httpsig is shown: not the request, but copies of
// what is signed, and a Signature header written anew from what we read, so that
// its parser and ours can't disagree.
type cavageEnvelope struct {
	method string
	target string // path and query as on the wire
	fields http.Header
}

// parseCavage reads a Signature header. The Authorization scheme of the draft is
// used by nobody and not taken.
func parseCavage(r *http.Request) (*Signed, error) {
	parameters, err := cavageParameters(r.Header.Values("Signature"))
	if err != nil {
		return nil, err
	}
	signed := &Signed{
		KeyID:     parameters["keyId"],
		Kind:      Cavage,
		algorithm: parameters["algorithm"],
		covered:   strings.Fields(strings.ToLower(parameters["headers"])),
	}
	if err := checkKeyID(signed.KeyID); err != nil {
		return nil, err
	}
	if err := checkAlgorithmName(Cavage, signed.algorithm); err != nil {
		return nil, err
	}
	envelope, err := newCavageEnvelope(r, signed.covered, parameters)
	if err != nil {
		return nil, err
	}
	signed.envelope = envelope
	return signed, signed.readCavageTimes(parameters, envelope.fields)
}

func cavageParameters(values []string) (map[string]string, error) {
	if len(values) != 1 || len(values[0]) > maxSignatureField {
		return nil, refuse(CodeBad, "signature", "must be one header of at most %d bytes", maxSignatureField)
	}
	parameters := map[string]string{}
	for rest := values[0]; rest != ""; {
		match := parameter.FindStringSubmatch(rest)
		if match == nil {
			return nil, refuse(CodeBad, "signature", "isn't a list of name=\"value\" at %.80q", rest)
		}
		if _, twice := parameters[match[1]]; twice {
			return nil, refuse(CodeBad, "signature", "has %.80q twice", match[1])
		}
		parameters[match[1]] = match[2] + match[3]
		rest = rest[len(match[0]):]
	}
	return parameters, nil
}

// newCavageEnvelope writes a Signature header that go-fed/httpsig reads without doubt:
// no spaces after commas, no comma in the keyId, both of which it trips over.
func newCavageEnvelope(r *http.Request, covered []string, parameters map[string]string) (cavageEnvelope, error) {
	target, err := wireTarget(r)
	if err != nil {
		return cavageEnvelope{}, err
	}
	if err := checkCavageNames(covered); err != nil {
		return cavageEnvelope{}, err
	}
	fields, err := coveredFields(r, covered)
	if err != nil {
		return cavageEnvelope{}, err
	}
	signature, err := base64.StdEncoding.DecodeString(parameters["signature"])
	if err != nil || len(signature) == 0 {
		return cavageEnvelope{}, refuse(CodeBad, "signature", "isn't base64")
	}
	value := fmt.Sprintf(`keyId="key",headers="%s",signature="%s"`,
		strings.Join(covered, " "), base64.StdEncoding.EncodeToString(signature))
	for _, name := range []string{"created", "expires"} {
		if slices.Contains(covered, "("+name+")") {
			value += "," + name + "=" + parameters[name]
		}
	}
	fields.Set("Signature", value)
	return cavageEnvelope{method: r.Method, target: target, fields: fields}, nil
}

// checkCavageNames refuses unknown special names, and the two headers that
// go-fed/httpsig would take for the signature itself.
func checkCavageNames(covered []string) error {
	for _, name := range covered {
		unknown := strings.HasPrefix(name, "(") && !slices.Contains(special, name)
		if unknown || name == "signature" || name == "authorization" {
			return refuse(CodeBad, "headers", "%.80q can't be signed", name)
		}
	}
	return nil
}

// readCavageTimes takes a creation time only where it is signed, an expiry in any
// case: leaving it out would have been easier than to forge it.
func (s *Signed) readCavageTimes(parameters map[string]string, fields http.Header) error {
	var err error
	if s.Date, err = signedDate(fields); err != nil {
		return err
	}
	if slices.Contains(s.covered, "(created)") {
		if s.Created, err = cavageTime("created", parameters); err != nil {
			return err
		}
	}
	_, given := parameters["expires"]
	if given || slices.Contains(s.covered, "(expires)") {
		s.Expires, err = cavageTime("expires", parameters)
	}
	return err
}

func cavageTime(name string, parameters map[string]string) (time.Time, error) {
	seconds, err := strconv.ParseInt(parameters[name], 10, 64)
	if err != nil {
		return time.Time{}, refuse(CodeBad, name, "%.80q isn't a time", parameters[name])
	}
	return signedTime(name, seconds)
}

// prove tries a GET once more without the query: old Mastodon versions left it
// out of (request-target). Anything else must match as it stands.
func (e cavageEnvelope) prove(key PublicKey) error {
	err := e.proveTarget(key, e.target)
	path, _, hasQuery := strings.Cut(e.target, "?")
	if err != nil && hasQuery && e.method == http.MethodGet {
		return e.proveTarget(key, path)
	}
	return err
}

func (e cavageEnvelope) proveTarget(key PublicKey, target string) error {
	verifier, err := cavage.NewVerifier(cavageRequest(e.method, target, e.fields))
	if err != nil { // the header is ours and well formed: only its clock can object
		return &Error{Code: CodeAge, Field: "created", Rule: err.Error(), Now: time.Now()}
	}
	if err := verifier.Verify(key.key, key.algorithm().cavage); err != nil {
		return refuse(CodeBad, "signature", "isn't by this key over this request")
	}
	return nil
}

// cavageRequest is a request as go-fed/httpsig must see it: it writes URL.Path into
// (request-target) as it is, so that must be the spelling on the wire.
func cavageRequest(method, target string, header http.Header) *http.Request {
	return &http.Request{Method: method, URL: &url.URL{Path: target}, Header: header}
}
