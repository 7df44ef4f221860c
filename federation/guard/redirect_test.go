package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// chain redirects /n to /n-1 and answers at /0.
func chain(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if n > 0 {
		http.Redirect(w, r, fmt.Sprintf("/%d", n-1), http.StatusFound)
		return
	}
	document(w, "https://"+r.Host+"/0")
}

// N3: at most three hops, each signed anew for its own target, and the last one is who answered.
func TestRedirectsAreBoundedAndSignedAnew(t *testing.T) {
	t.Parallel()
	var served sync.Map
	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Signature") != "for "+r.Host+r.URL.Path {
			t.Errorf("%s came with %q", r.URL.Path, r.Header.Get("Signature"))
		}
		served.Store(r.URL.Path, true)
		chain(w, r)
	})
	c := client(t, public(), internet)
	c.SignWith(func(r *http.Request) error {
		r.Header.Set("Signature", "for "+r.URL.Host+r.URL.Path)
		return nil
	})
	for hops := range MaxRedirects + 1 {
		doc, err := c.FetchAS2(t.Context(), s.at("a", fmt.Sprintf("/%d", hops)))
		if err != nil {
			t.Errorf("%d redirects: %v", hops, err)
			continue
		}
		if id, _ := doc.ID(); id != s.at("a", "/0") {
			t.Errorf("%d redirects: got %s", hops, id)
		}
	}
	served.Clear()
	_, err := c.FetchAS2(t.Context(), s.at("a", fmt.Sprintf("/%d", MaxRedirects+1)))
	wantCode(t, "four redirects", err, CodeRedirect)
	if _, ok := served.Load("/0"); ok {
		t.Error("the fifth address was asked")
	}
}

func TestRedirectsThatLeadNowhereGood(t *testing.T) {
	t.Parallel()
	inside := serve(t, "127.0.0.2:0", func(w http.ResponseWriter, r *http.Request) { document(w, "https://"+r.Host+r.URL.Path) })
	plain := newSite(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { document(w, "http://"+r.Host+r.URL.Path) })
	plain.server.Start()
	other := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { document(w, "https://"+r.Host+r.URL.Path) })
	for name, test := range map[string]struct {
		to   string
		code Code
	}{
		"to itself":                    {"/", CodeRedirect},
		"to a private name":            {inside.at("inside", "/"), CodeRedirect},
		"to a private address":         {"https://127.0.0.2:" + inside.port + "/", CodeBlocked},
		"to a private address, hidden": {"https://0x7f.2:" + inside.port + "/", CodeBlocked},
		"to metadata":                  {"http://169.254.169.254/latest/meta-data/", CodeRedirect},
		"to http":                      {"http://a.example.com:" + plain.port + "/", CodeRedirect},
		"to http on localhost":         {"http://localhost:" + plain.port + "/", CodeRedirect},
		"to another host":              {other.at("b", "/"), CodeRedirect},
		"to another port":              {other.at("a", "/"), CodeRedirect},
		"to a user":                    {"https://user:secret@a.example.com/", CodeBlocked},
		"to a file":                    {"file:///etc/passwd", CodeRedirect},
		"to a script":                  {"javascript:alert(1)", CodeRedirect},
		"to nothing readable":          {"https://[", CodeRedirect},
		"to no address":                {"", CodeStatus},
	} {
		s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", test.to)
			w.WriteHeader(http.StatusFound)
		})
		for _, c := range []*Client{client(t, public(), internet), withHTTP(t)} {
			_, err := c.FetchAS2(t.Context(), s.at("a", "/"))
			wantCode(t, name, err, test.code)
			_, err = c.Get(t.Context(), s.at("a", "/"), vocab.JRDMediaType, nil)
			wantCode(t, name, err, test.code)
		}
	}
	for name, s := range map[string]*site{"our own network": inside, "plain http": plain, "another host": other} {
		silent(t, name, s.counter)
	}
}

func withHTTP(t *testing.T) *Client {
	c := client(t, public(), internet)
	c.c.AllowHTTP = true
	return c
}

// The name may answer differently between two hops on one host.
func TestRedirectsAreCheckedWhenTheyConnect(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		chain(w, r)
	})
	inside := serve(t, "127.0.0.2:"+s.port, chain)
	n := &names{answers: map[string][][]netip.Addr{"a.example.com": append(always("127.0.0.1"), always("127.0.0.2")...)}}
	_, err := client(t, n, internet).FetchAS2(t.Context(), s.at("a", "/1"))
	wantCode(t, "the second hop", err, CodeBlocked)
	silent(t, "our own network", inside.counter)
}

func TestPostsAreNeverRedirected(t *testing.T) {
	t.Parallel()
	other := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {})
	for _, status := range []int{301, 302, 303, 307, 308} {
		requests := 0
		s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
			requests++
			target := other.at("b", "/")
			if status == 307 {
				target = "/elsewhere"
			}
			http.Redirect(w, r, target, status)
		})
		got, err := client(t, public(), internet).Post(t.Context(), s.at("a", "/inbox"), vocab.AS2MediaType, []byte("{}"), unsigned)
		if got != status || err != nil || requests != 1 {
			t.Errorf("%d: got %d, %v after %d requests", status, got, err, requests)
		}
	}
	silent(t, "another host", other.counter)
}

func TestPostsAreSignedOverWhatTheySend(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 64)
		n, _ := r.Body.Read(body)
		if string(body[:n]) != `{"a":1}` || r.Header.Get("Signature") != `7 {"a":1}` || r.Header.Get("User-Agent") != "flattrd/test" ||
			r.Header.Get("Content-Type") != vocab.AS2MediaType || r.ContentLength != 7 {
			t.Errorf("got %q with %v", body[:n], r.Header)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	c := client(t, public(), internet)
	sign := func(r *http.Request, body []byte) error {
		r.Header.Set("Signature", fmt.Sprintf("%d %s", r.ContentLength, body))
		return nil
	}
	if status, err := c.Post(t.Context(), s.at("a", "/inbox"), vocab.AS2MediaType, []byte(`{"a":1}`), sign); status != 202 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	failed := errors.New("no key")
	_, err := c.Post(t.Context(), s.at("a", "/inbox"), vocab.AS2MediaType, []byte("{}"), func(*http.Request, []byte) error { return failed })
	if !errors.Is(err, failed) || CodeOf(err) != "" || s.accepted.Load() != 1 {
		t.Errorf("unsigned, nothing is sent: %v, %d connections", err, s.accepted.Load())
	}
	c.SignWith(func(*http.Request) error { return failed })
	if _, err := c.FetchAS2(t.Context(), s.at("a", "/")); !errors.Is(err, failed) || s.accepted.Load() != 1 {
		t.Errorf("unsigned, nothing is asked: %v", err)
	}
}

// The totals are those of the page above, whatever the caller's own deadline.
func TestEveryRequestHasADeadline(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { document(w, "https://"+r.Host+r.URL.Path) })
	c := client(t, public(), internet)
	left := func(r *http.Request) time.Duration {
		deadline, ok := r.Context().Deadline()
		if !ok {
			t.Error("a request without deadline")
		}
		return time.Until(deadline)
	}
	c.SignWith(func(r *http.Request) error {
		if d := left(r); d > FetchTimeout || d < FetchTimeout-5*time.Second {
			t.Errorf("a fetch may take %v", d)
		}
		return nil
	})
	if _, err := c.FetchAS2(context.Background(), s.at("a", "/x")); err != nil {
		t.Error(err)
	}
	_, err := c.Post(context.Background(), s.at("a", "/x"), "text/plain", nil, func(r *http.Request, _ []byte) error {
		if d := left(r); d > PostTimeout || d < PostTimeout-5*time.Second {
			t.Errorf("a delivery may take %v", d)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
