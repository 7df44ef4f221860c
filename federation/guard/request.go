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

	"github.com/fedflattr/flattrd/federation/vocab"
)

// FetchAS2 fetches an ActivityStreams document: with a media type of that kind (CVE-2024-25623), and
// standing where its id says (CVE-2024-23832). A document whose id is another address on the same host
// is fetched once more, there.
func (c *Client) FetchAS2(ctx context.Context, iri string) (vocab.Document, error) {
	doc, final, err := c.fetchOnce(ctx, iri)
	if err != nil {
		return doc, err
	}
	id, err := doc.ID()
	if err != nil {
		return doc, &Error{Code: CodeDocument, URL: iri, Err: err}
	}
	if id == final || c.web().SameIRI(id, final) {
		return doc, nil
	}
	if !c.web().SameHost(id, final) {
		return doc, &Error{Code: CodeDocument, URL: iri, Err: errors.New("id is on another host")}
	}
	doc, final, err = c.fetchOnce(ctx, id)
	if err != nil {
		return doc, err
	}
	if again, err := doc.ID(); err != nil || again != id || !c.web().SameIRI(id, final) {
		return doc, &Error{Code: CodeDocument, URL: iri, Err: errors.New("id isn't where the document stands")}
	}
	return doc, nil
}

func (c *Client) web() vocab.Web { return vocab.Web{AllowHTTP: c.c.AllowHTTP} }

func (c *Client) fetchOnce(ctx context.Context, iri string) (doc vocab.Document, final string, err error) {
	body, final, err := c.get(ctx, iri, vocab.AcceptAS2, vocab.IsAS2)
	if err != nil {
		return doc, final, err
	}
	if doc, err = vocab.Decode(body); err != nil {
		err = &Error{Code: CodeDocument, URL: iri, Err: err}
	}
	return doc, final, err
}

// Get fetches a JSON document of another kind, such as WebFinger's. take judges the Content-Type; nil
// takes any JSON.
func (c *Client) Get(ctx context.Context, address, accept string, take func(contentType string) bool) ([]byte, error) {
	if take == nil {
		take = isJSON
	}
	body, _, err := c.get(ctx, address, accept, take)
	return body, err
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// get follows at most MaxRedirects on one host and returns the body and where it stood.
func (c *Client) get(ctx context.Context, address, accept string, take func(string) bool) ([]byte, string, error) {
	ctx, cancel := context.WithTimeout(ctx, FetchTimeout)
	defer cancel()
	for hops := 0; ; hops++ {
		resp, err := c.hop(ctx, address, accept)
		if err != nil {
			return nil, address, err
		}
		next := resp.Header.Get("Location")
		if resp.StatusCode < 300 || resp.StatusCode > 399 || next == "" {
			body, err := c.read(resp, address, take)
			return body, address, err
		}
		drop(resp)
		if hops == MaxRedirects {
			return nil, address, &Error{Code: CodeRedirect, URL: address, Err: errors.New("too many redirects")}
		}
		if address, err = c.redirect(address, next); err != nil {
			return nil, address, err
		}
	}
}

// redirect says where a Location leads. Another host could claim to be somebody it isn't; and what
// was asked for in secret isn't asked for in the open.
func (c *Client) redirect(from, location string) (string, error) {
	base, err := url.Parse(from)
	if err != nil {
		return from, &Error{Code: CodeRedirect, URL: from, Err: err}
	}
	to, err := base.Parse(location)
	switch {
	case err != nil:
	case base.Scheme == "https" && to.Scheme != "https":
		err = errors.New("from https to " + to.Scheme)
	case !c.web().SameHost(from, to.String()):
		err = errors.New("to another host")
	default:
		return to.String(), nil
	}
	return from, &Error{Code: CodeRedirect, URL: from, Err: err}
}

// hop makes one GET, signed for this very target.
func (c *Client) hop(ctx context.Context, address, accept string) (*http.Response, error) {
	r, err := c.request(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	if c.c.Sign != nil {
		if err := c.c.Sign(r); err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, failure(address, err)
	}
	return resp, nil
}

// request refuses addresses that aren't for us before a name is looked up.
func (c *Client) request(ctx context.Context, method, address string, body []byte) (*http.Request, error) {
	if _, err := c.web().Host(address); err != nil {
		return nil, &Error{Code: CodeBlocked, URL: address, Err: err}
	}
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Code: CodeBlocked, URL: address, Err: err}
	}
	if body == nil {
		r.Body, r.ContentLength = nil, 0
	}
	r.Header.Set("User-Agent", c.c.UserAgent)
	return r, nil
}

// read takes a 200 of the right kind, up to the limit; net/http has decompressed it by then.
func (c *Client) read(resp *http.Response, address string, take func(string) bool) ([]byte, error) {
	defer drop(resp)
	if resp.StatusCode != http.StatusOK {
		return nil, &Error{Code: CodeStatus, URL: address, Status: resp.StatusCode}
	}
	if kind := resp.Header.Get("Content-Type"); !take(kind) {
		return nil, &Error{Code: CodeContentType, URL: address, Err: fmt.Errorf("%.80q", kind)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	switch {
	case err != nil:
		return nil, failure(address, err)
	case len(body) > MaxBody:
		return nil, &Error{Code: CodeTooLarge, URL: address, Err: fmt.Errorf("more than %d bytes", MaxBody)}
	}
	return body, nil
}

// drop closes a response; a little that is left is read, so that the connection can serve again.
func drop(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}

// Post delivers a body and returns the status. Redirects aren't followed: a signature is for one target.
func (c *Client) Post(ctx context.Context, address, contentType string, body []byte,
	sign func(*http.Request, []byte) error) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, PostTimeout)
	defer cancel()
	r, err := c.request(ctx, http.MethodPost, address, body)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", vocab.AcceptAS2)
	if err := sign(r, body); err != nil {
		return 0, fmt.Errorf("sign: %w", err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, failure(address, err)
	}
	drop(resp)
	return resp.StatusCode, nil
}
