package signature

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	rfc9421 "github.com/dadrus/httpsig"
	"github.com/dunglas/httpsfv"
	cavage "github.com/go-fed/httpsig"
)

// label names our signature in the dictionaries of RFC 9421.
const label = "sig1"

// SignCavage signs a request that is about to be sent, over (request-target), host,
// date and, unless it is a GET or HEAD without body, digest. It sets Date, Host and
// Digest, and drops an older signature: a retry is signed anew, as its Date must be
// fresh. Date is signed rather than (created), which Fedify refuses without it.
//
// body is what the request will send; an error says that it isn't, or that the
// key can't sign.
func SignCavage(req *http.Request, body []byte, key PrivateKey, now time.Time) error {
	if err := prepare(req, body, key, now); err != nil {
		return err
	}
	names := []string{cavage.RequestTarget, "host", "date"}
	var digested []byte // nil keeps the library from adding a Digest
	if needsDigest(req.Method, body) {
		names = append(names, "digest")
		digested = append([]byte{}, body...)
	}
	// A signer holds its hash and is good for one goroutine, so each request gets one.
	algorithm := key.algorithm().cavage
	signer, chosen, err := cavage.NewSigner([]cavage.Algorithm{algorithm}, cavage.DigestSha256, names, cavage.Signature, 0)
	if err != nil || chosen != algorithm {
		return fmt.Errorf("sign as %s: no %s: %w", key.ID, algorithm, err)
	}
	// The copy shares the header map, where the signature arrives.
	seen := cavageRequest(req.Method, req.URL.RequestURI(), req.Header)
	if err := signer.SignRequest(key.key, key.ID, seen, digested); err != nil {
		return fmt.Errorf("sign as %s: %w", key.ID, err)
	}
	return nil
}

// SignRFC9421 signs a request that is about to be sent, over @method, @target-uri
// and, as in SignCavage, content-digest: the components that Mastodon sends and
// demands. For peers that answered 401 to draft-cavage.
//
// The signed string is put together here, because dadrus/httpsig dates it by the
// machine's clock and not by the caller's; its verifier is what the tests hold
// the result against.
func SignRFC9421(req *http.Request, body []byte, key PrivateKey, now time.Time) error {
	if err := prepare(req, body, key, now); err != nil {
		return err
	}
	names := []string{"@method", "@target-uri"}
	values := []string{req.Method, targetURI(req)}
	if needsDigest(req.Method, body) {
		names = append(names, "content-digest")
		values = append(values, contentDigestField(body))
		req.Header.Set("Content-Digest", contentDigestField(body))
	}
	input, err := signatureInput(names, key.ID, now)
	if err != nil {
		return fmt.Errorf("sign as %s: %w", key.ID, err)
	}
	signature, err := key.sign([]byte(signatureBase(names, values, input)))
	if err != nil {
		return fmt.Errorf("sign as %s: %w", key.ID, err)
	}
	req.Header.Set("Signature-Input", label+"="+input)
	req.Header.Set("Signature", label+"=:"+base64.StdEncoding.EncodeToString(signature)+":")
	return nil
}

// prepare leaves a request with our Date, its Host, and no signature but ours.
func prepare(req *http.Request, body []byte, key PrivateKey, now time.Time) error {
	if err := key.Public().check(); err != nil {
		return err
	}
	if req.ContentLength != int64(len(body)) {
		return fmt.Errorf("sign %s: the request sends %d bytes, signed are %d", req.URL, req.ContentLength, len(body))
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	for _, name := range []string{"Signature", "Signature-Input", "Digest", "Content-Digest"} {
		req.Header.Del(name)
	}
	req.Header.Set("Date", now.UTC().Format(http.TimeFormat))
	req.Header.Set("Host", sentHost(req)) // go-fed/httpsig looks here; net/http sends its own
	return nil
}

// sentHost is the Host header that net/http will send.
func sentHost(req *http.Request) string {
	if req.Host != "" {
		return req.Host
	}
	return req.URL.Host
}

// targetURI is the URL that is asked for (RFC 9421 §2.2.2), without a default port,
// which the other side can't see.
func targetURI(req *http.Request) string {
	scheme := strings.ToLower(req.URL.Scheme)
	return scheme + "://" + publicHost(scheme, sentHost(req)) + req.URL.RequestURI()
}

// signatureInput is the list of components with its parameters: the value of
// @signature-params, and of Signature-Input behind the label.
func signatureInput(names []string, keyID string, now time.Time) (string, error) {
	list := httpsfv.InnerList{Params: httpsfv.NewParams()}
	for _, name := range names {
		list.Items = append(list.Items, httpsfv.NewItem(name))
	}
	list.Params.Add(string(rfc9421.Created), now.Unix())
	list.Params.Add(string(rfc9421.KeyID), keyID)
	return httpsfv.Marshal(list)
}

// signatureBase is what is signed (RFC 9421 §2.5): a line for each component, then
// the parameters, and no newline at the end.
func signatureBase(names, values []string, input string) string {
	var base strings.Builder
	for i, name := range names {
		fmt.Fprintf(&base, "%q: %s\n", name, values[i])
	}
	base.WriteString(`"@signature-params": ` + input)
	return base.String()
}
