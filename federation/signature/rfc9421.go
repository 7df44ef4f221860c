package signature

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	rfc9421 "github.com/dadrus/httpsig"
	"github.com/dunglas/httpsfv"
)

// derived are the components of RFC 9421 §2.2 that a request may cover without
// parameters.
var derived = []string{"@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query"}

// longTime switches the library's clock off: it reads the machine's, and CheckAge
// has already compared the times with the caller's.
const longTime = 100 * 365 * 24 * time.Hour

// rfc9421Envelope holds the message as the library must see it: the public URL
// instead of the one behind the proxy, and copies of the signed fields only.
type rfc9421Envelope struct {
	message *rfc9421.Message
}

// parseRFC9421 reads Signature-Input. Component parameters (;sf, ;key, ;req …) are
// refused: no server uses them, and each is one more way to sign less.
func parseRFC9421(r *http.Request, body []byte, want Expect) (*Signed, error) {
	input, err := onlySignature(r.Header)
	if err != nil {
		return nil, err
	}
	signed := &Signed{Kind: RFC9421}
	if signed.covered, err = componentNames(input.Items); err != nil {
		return nil, err
	}
	if err := signed.readParameters(input.Params); err != nil {
		return nil, err
	}
	fields, err := coveredFields(r, signed.covered)
	if err != nil {
		return nil, err
	}
	if signed.Date, err = signedDate(fields); err != nil {
		return nil, err
	}
	target, err := wireTarget(r)
	if err != nil {
		return nil, err
	}
	message, err := want.message(r, target, body, fields)
	signed.envelope = rfc9421Envelope{message}
	return signed, err
}

// onlySignature finds the one signature. Of several, which would count? A proxy
// that adds its own must take it off again before us.
func onlySignature(header http.Header) (httpsfv.InnerList, error) {
	none := httpsfv.InnerList{}
	for _, name := range []string{"Signature-Input", "Signature"} {
		if values := header.Values(name); len(values) != 1 || len(values[0]) > maxSignatureField {
			return none, refuse(CodeBad, name, "must be one header of at most %d bytes", maxSignatureField)
		}
	}
	inputs, err := dictionary(header.Values("Signature-Input"))
	if err != nil || len(inputs.Names()) != 1 {
		return none, refuse(CodeBad, "signature-input", "must be a dictionary of one")
	}
	label := inputs.Names()[0]
	member, _ := inputs.Get(label)
	input, ok := member.(httpsfv.InnerList)
	if !ok {
		return none, refuse(CodeBad, "signature-input", "must be a list of components")
	}
	return input, checkLabelled(header.Values("Signature"), label)
}

// checkLabelled wants the bytes of this one signature, and nothing beside them.
func checkLabelled(values []string, label string) error {
	signatures, err := dictionary(values)
	if err != nil || !slices.Equal(signatures.Names(), []string{label}) {
		return refuse(CodeBad, "signature", "must be a dictionary of %.80q", label)
	}
	member, _ := signatures.Get(label)
	item, _ := member.(httpsfv.Item)
	if _, ok := item.Value.([]byte); !ok {
		return refuse(CodeBad, "signature", "must be bytes")
	}
	return nil
}

// componentNames refuses what isn't a string: dadrus/httpsig panics on it.
func componentNames(items []httpsfv.Item) ([]string, error) {
	names := make([]string, len(items))
	for i, item := range items {
		name, ok := item.Value.(string)
		if !ok || name != strings.ToLower(name) || len(item.Params.Names()) > 0 {
			return nil, refuse(CodeBad, "signature-input", "component %d isn't a lower-case name without parameters", i)
		}
		if strings.HasPrefix(name, "@") && !slices.Contains(derived, name) {
			return nil, refuse(CodeBad, "signature-input", "component %.80q isn't known", name)
		}
		names[i] = name
	}
	return names, nil
}

func (s *Signed) readParameters(parameters *httpsfv.Params) error {
	for _, name := range parameters.Names() {
		value, _ := parameters.Get(name)
		if err := s.readParameter(name, value); err != nil {
			return err
		}
	}
	if err := checkKeyID(s.KeyID); err != nil {
		return err
	}
	return checkAlgorithmName(RFC9421, s.algorithm)
}

// readParameter knows the parameters of RFC 9421 §2.3; nonce and tag mean nothing
// to us. The library refuses any other.
func (s *Signed) readParameter(name string, value any) error {
	text, isText := value.(string)
	seconds, isInteger := value.(int64)
	var err error
	switch {
	case name == "keyid" && isText:
		s.KeyID = text
	case name == "alg" && isText:
		s.algorithm = text
	case name == "created" && isInteger:
		s.Created, err = signedTime(name, seconds)
	case name == "expires" && isInteger:
		s.Expires, err = signedTime(name, seconds)
	case (name == "nonce" || name == "tag") && isText:
	default:
		return refuse(CodeBad, "signature-input", "parameter %.80q isn't known, or of the wrong type", name)
	}
	return err
}

// message shows the library the public URL: behind a proxy the request knows
// neither scheme nor host, and every @target-uri would fail.
func (want Expect) message(r *http.Request, target string, body []byte, fields http.Header) (*rfc9421.Message, error) {
	url, err := want.targetURL(target)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Signature-Input", "Signature"} {
		fields[name] = slices.Clone(r.Header.Values(name))
	}
	return &rfc9421.Message{
		Context:   context.Background(),
		Method:    r.Method,
		Authority: url.Host,
		URL:       url,
		Header:    fields,
		Body:      func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
		IsRequest: true,
	}, nil
}

func (e rfc9421Envelope) prove(key PublicKey) error {
	verifier, err := rfc9421.NewVerifier(
		rfc9421.Key{KeyID: key.ID, Algorithm: key.algorithm().rfc9421, Key: key.key},
		rfc9421.WithValidateAllSignatures(), // there is one, and it has no tag
		rfc9421.WithRequiredComponents(required[RFC9421]...),
		rfc9421.WithExpiredTimestampRequired(false),
		rfc9421.WithValidityTolerance(longTime),
		rfc9421.WithMaxAge(longTime),
	)
	if err != nil {
		return refuse(CodeBad, "signature", "%v", err)
	}
	if err := verifier.Verify(e.message); err != nil {
		return refuse(CodeBad, "signature", "isn't by this key over this request")
	}
	return nil
}
