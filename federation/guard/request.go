package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// FetchAS2 fetches an ActivityStreams document: with a media type of that kind (CVE-2024-25623), and
// standing where its id says (CVE-2024-23832). A document whose id is another address on the same host
// is fetched once more, there. So the id of what is returned is on the host that was asked, and it
// is the document's identity, whatever was asked for. Failures aren't cached here.
func (c *Client) FetchAS2(ctx context.Context, iri string) (vocab.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, FetchTimeout)
	defer cancel()
	doc, id, final, err := c.fetchOnce(ctx, iri)
	if err != nil || c.web().SameIRI(id, final) {
		return doc, err
	}
	if !c.web().SameHost(id, final) {
		return vocab.Document{}, &Error{Code: CodeDocument, URL: final, Err: errors.New("id is on another host")}
	}
	doc, again, final, err := c.fetchOnce(ctx, id)
	if err != nil {
		return vocab.Document{}, err
	}
	if again != id || !c.web().SameIRI(id, final) {
		return vocab.Document{}, &Error{Code: CodeDocument, URL: final, Err: errors.New("id isn't where the document stands")}
	}
	return doc, nil
}

func (c *Client) web() vocab.Web { return vocab.Web{AllowHTTP: c.c.AllowHTTP} }

// fetchOnce returns what an address answers with, its id, and the address that answered.
func (c *Client) fetchOnce(ctx context.Context, iri string) (doc vocab.Document, id, final string, err error) {
	final, err = c.get(ctx, iri, vocab.AcceptAS2, vocab.IsAS2, func(body []byte) error {
		var fault error
		if doc, fault = vocab.Decode(body); fault == nil {
			id, fault = doc.ID()
		}
		return fault
	})
	if err != nil {
		return vocab.Document{}, "", final, err
	}
	return doc, id, final, nil
}

// theirs keeps the words of a fault and not the fault: what is wrong with something that was
// fetched isn't the fault of the document that made us fetch it, and isn't answered as one.
func theirs(err error) error { return errors.New(err.Error()) }

// Get fetches a JSON document of another kind, such as WebFinger's. take judges the Content-Type; nil
// takes any JSON.
func (c *Client) Get(ctx context.Context, address, accept string, take func(contentType string) bool) ([]byte, error) {
	if take == nil {
		take = isJSON
	}
	var text []byte
	_, err := c.get(ctx, address, accept, take, func(body []byte) error {
		text = body
		return nil
	})
	return text, err
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// get follows at most MaxRedirects on one host, has the body used, and returns where it stood.
func (c *Client) get(ctx context.Context, address, accept string, take func(string) bool, use func([]byte) error) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, FetchTimeout)
	defer cancel()
	target, err := c.target(address)
	for hops := 0; err == nil; hops++ {
		resp, failed := c.hop(ctx, target, accept)
		if failed != nil {
			return target, failed
		}
		if !isRedirect(resp) {
			return target, c.read(resp, target, take, use)
		}
		_ = resp.Body.Close()
		if hops == MaxRedirects {
			err = &Error{Code: CodeRedirect, URL: target, Err: errors.New("too many redirects")}
			break
		}
		target, err = c.redirect(target, resp.Header.Get("Location"))
	}
	return target, err
}

// target is the address in its canonical form, so that what is compared is what is asked. Addresses
// that aren't for us are refused before a name is looked up. A fragment isn't sent (RFC 9110 §7.1).
func (c *Client) target(address string) (string, error) {
	canonical, err := c.web().CanonicalIRI(address)
	if err != nil {
		return "", &Error{Code: CodeBlocked, URL: fmt.Sprintf("%.200q", address), Err: theirs(err)}
	}
	canonical, _, _ = strings.Cut(canonical, "#")
	return canonical, nil
}

func isRedirect(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

// redirect says where a Location leads. Another host could claim to be somebody it isn't; and what
// was asked for in secret isn't asked for in the open.
func (c *Client) redirect(from, location string) (string, error) {
	refuse := func(err error) (string, error) {
		return from, &Error{Code: CodeRedirect, URL: from, Err: err}
	}
	base, err := url.Parse(from)
	if err != nil {
		return refuse(err)
	}
	to, err := base.Parse(location)
	if err != nil {
		return refuse(errors.New("to no address"))
	}
	if base.Scheme == "https" && to.Scheme != "https" {
		return refuse(errors.New("from https to another scheme"))
	}
	next, err := c.target(to.String())
	if err != nil {
		return from, err
	}
	if !c.web().SameHost(from, next) {
		return refuse(errors.New("to another host"))
	}
	return next, nil
}

// hop makes one GET, signed for this very target.
func (c *Client) hop(ctx context.Context, target, accept string) (*http.Response, error) {
	r, err := c.request(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	if c.c.Sign != nil {
		if err := c.c.Sign(r); err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	resp, err := c.http.RoundTrip(r)
	if err != nil {
		return nil, failure(target, err)
	}
	return resp, nil
}

func (c *Client) request(ctx context.Context, method, target string, body []byte) (*http.Request, error) {
	var content io.Reader // a nil one, or net/http would announce a body of no bytes
	if body != nil {
		content = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, &Error{Code: CodeBlocked, URL: target, Err: err}
	}
	r.Header.Set("User-Agent", c.c.UserAgent)
	return r, nil
}

// read takes a 200 of the right kind, up to the limit; net/http has decompressed it by then. What
// isn't taken isn't read either: its sender could take its time.
func (c *Client) read(resp *http.Response, target string, take func(string) bool, use func([]byte) error) error {
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return &Error{Code: CodeStatus, URL: target, Status: resp.StatusCode}
	}
	if kind := resp.Header.Get("Content-Type"); !take(kind) {
		return &Error{Code: CodeContentType, URL: target, Err: fmt.Errorf("%.80q", kind)}
	}
	err := c.readBody(resp, MaxBody, func(body []byte) error {
		if err := use(body); err != nil {
			return &Error{Code: CodeDocument, URL: target, Err: theirs(err)}
		}
		return nil
	})
	switch {
	case errors.Is(err, errTooLarge):
		return &Error{Code: CodeTooLarge, URL: target, Err: err}
	case err != nil:
		return failure(target, err)
	}
	return nil
}

// Post delivers a body and returns the status. Redirects aren't followed: a signature is for one target.
func (c *Client) Post(ctx context.Context, address, contentType string, body []byte,
	sign func(*http.Request, []byte) error) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, PostTimeout)
	defer cancel()
	target, err := c.target(address)
	if err != nil {
		return 0, err
	}
	r, err := c.request(ctx, http.MethodPost, target, body)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", vocab.AcceptAS2)
	if err := sign(r, body); err != nil {
		return 0, fmt.Errorf("sign: %w", err)
	}
	resp, err := c.http.RoundTrip(r)
	if err != nil {
		return 0, failure(target, err)
	}
	drop(resp, cancel)
	return resp.StatusCode, nil
}

// drop ends an answer whose status says all. A little that is left is read, so that the connection
// can serve again; but not for long, as the status is known and a worker waits.
func drop(resp *http.Response, cancel func()) {
	late := time.AfterFunc(dropGrace, cancel)
	defer late.Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}
