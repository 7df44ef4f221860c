package guard

import (
	"context"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// In these tests 127.0.0.1 plays the internet: it is let through. 127.0.0.2, and all else that isn't
// public, is our own network, which nobody may make us talk to.
var internet = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// counter counts the connections that reach a listener: what a SYN would have led to.
type counter struct {
	net.Listener
	accepted atomic.Int64
}

func (c *counter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.accepted.Add(1)
	}
	return conn, err
}

// site is a real server on a real port, with TLS unless it is plain.
type site struct {
	*counter
	server *httptest.Server
	port   string
}

func listen(t testing.TB, address string) *counter {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return &counter{Listener: listener}
}

func serve(t testing.TB, address string, handler http.HandlerFunc) *site {
	t.Helper()
	s := newSite(t, address, handler)
	s.server.StartTLS()
	return s
}

func newSite(t testing.TB, address string, handler http.HandlerFunc) *site {
	t.Helper()
	s := &site{counter: listen(t, address), server: httptest.NewUnstartedServer(handler)}
	_ = s.server.Listener.Close()
	s.server.Listener = s.counter
	s.server.Config.ErrorLog = log.New(quiet{}, "", 0)
	_, s.port, _ = net.SplitHostPort(s.counter.Addr().String())
	t.Cleanup(s.server.Close)
	return s
}

// quiet swallows what net/http's server says of the broken connections that these tests make.
type quiet struct{}

func (quiet) Write(p []byte) (int, error) { return len(p), nil }

// at is an address on the site, under a name that its certificate covers.
func (s *site) at(name, path string) string {
	return "https://" + name + ".example.com:" + s.port + path
}

// names is a resolver: what each name answers, one answer a time, the last one for ever.
type names struct {
	mu      sync.Mutex
	answers map[string][][]netip.Addr
	asked   atomic.Int64
}

func (n *names) resolve(_ context.Context, host string) ([]netip.Addr, error) {
	n.asked.Add(1)
	n.mu.Lock()
	defer n.mu.Unlock()
	answers := n.answers[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(answers) > 1 {
		n.answers[host] = answers[1:]
	}
	return answers[0], nil
}

func always(addresses ...string) [][]netip.Addr {
	var all []netip.Addr
	for _, a := range addresses {
		all = append(all, netip.MustParseAddr(a))
	}
	return [][]netip.Addr{all}
}

// public resolves a and b to the internet, and inside to our own network.
func public() *names {
	return &names{answers: map[string][][]netip.Addr{
		"a.example.com": always("127.0.0.1"), "b.example.com": always("127.0.0.1"), "inside.example.com": always("127.0.0.2"),
	}}
}

func client(t testing.TB, n *names, allow []netip.Prefix) *Client {
	t.Helper()
	roots := x509.NewCertPool()
	certificates := httptest.NewTLSServer(http.NotFoundHandler())
	roots.AddCert(certificates.Certificate())
	certificates.Close()
	c := New(Config{UserAgent: "flattrd/test", Allow: allow, Resolve: n.resolve, RootCAs: roots})
	t.Cleanup(c.Close)
	return c
}

// document answers with an ActivityStreams document of this id.
func document(w http.ResponseWriter, id string) {
	w.Header().Set("Content-Type", vocab.AS2MediaType)
	fmt.Fprintf(w, `{"@context":"https://www.w3.org/ns/activitystreams","type":"Note","id":%q}`, id)
}

func wantCode(t testing.TB, what string, err error, code Code) {
	t.Helper()
	if CodeOf(err) != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func unsigned(*http.Request, []byte) error { return nil }

func silent(t testing.TB, what string, c *counter) {
	t.Helper()
	if n := c.accepted.Load(); n != 0 {
		t.Errorf("%s: %d connections were made", what, n)
	}
}
