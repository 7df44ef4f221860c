package guard

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"code.dny.dev/ssrf"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// forbidden are the addresses of security case N1, and what stands for each kind.
var forbidden = []string{
	"127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
	"192.168.0.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "198.18.0.1", "198.19.255.255",
	"192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1",
	"64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:db8::1", "100::1", "fc00::1", "fd00:ec2::254",
	"fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "3fff::1",
}

// every makes each kind of request that the program makes.
func every(ctx context.Context, c *Client, address string) map[string]error {
	_, fetch := c.FetchAS2(ctx, address)
	_, get := c.Get(ctx, address, vocab.JRDMediaType, nil)
	_, post := c.Post(ctx, address, vocab.AS2MediaType, []byte("{}"), unsigned)
	return map[string]error{"fetch": fetch, "get": get, "post": post}
}

// N1: the resolver hook is on and the allow-list empty, as it must be outside of tests. The listener
// stands on all addresses of this machine, the unspecified ones included.
func TestNoConnectionIsMadeToAddressesThatArentPublic(t *testing.T) {
	t.Parallel()
	everywhere := serve(t, "[::]:0", func(w http.ResponseWriter, r *http.Request) { document(w, "https://x.example.com/") })
	for _, address := range forbidden {
		n := &names{answers: map[string][][]netip.Addr{"a.example.com": always(address)}}
		c := client(t, n, nil)
		for kind, err := range every(t.Context(), c, everywhere.at("a", "/users/bob")) {
			wantCode(t, kind+" at "+address, err, CodeBlocked)
			// The refusal is the dialler's own, so connect(2) was never called.
			if !errors.Is(err, ssrf.ErrProhibitedIP) {
				t.Errorf("%s at %s: got %v", kind, address, err)
			}
		}
		if n.asked.Load() != 3 {
			t.Errorf("%s: the resolver was asked %d times", address, n.asked.Load())
		}
	}
	silent(t, "addresses that aren't public", everywhere.counter)
}

// The counter above must be able to count, or it proves nothing.
func TestTheCounterCountsWhatIsLetThrough(t *testing.T) {
	t.Parallel()
	everywhere := serve(t, "[::]:0", func(w http.ResponseWriter, r *http.Request) { document(w, "https://"+r.Host+r.URL.Path) })
	for address, prefix := range map[string]string{
		"127.0.0.1": "127.0.0.0/8", "127.8.8.8": "127.0.0.0/8", "0.0.0.0": "0.0.0.0/32", "::1": "::1/128", "::ffff:127.0.0.1": "127.0.0.1/32",
	} {
		before := everywhere.accepted.Load()
		n := &names{answers: map[string][][]netip.Addr{"a.example.com": always(address)}}
		c := client(t, n, []netip.Prefix{netip.MustParsePrefix(prefix)})
		if _, err := c.FetchAS2(t.Context(), everywhere.at("a", "/users/bob")); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if everywhere.accepted.Load() != before+1 {
			t.Errorf("%s: no connection was counted", address)
		}
	}
}

// Notations of an address that some resolver understands never get as far as one.
func TestHostsThatAreAddressesAreRefusedUnresolved(t *testing.T) {
	t.Parallel()
	everywhere := serve(t, "[::]:0", func(w http.ResponseWriter, r *http.Request) { document(w, "https://x.example.com/") })
	n := public()
	c := client(t, n, internet)
	for _, host := range []string{
		"127.0.0.1", "0x7f.1", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::]",
		"１２７.0.0.1", "127。0。0。1", "8.8.8.8", "a.example.com@127.0.0.1", "127.0.0.1#a.example.com", "intranet", "a.example.com.",
	} {
		for kind, err := range every(t.Context(), c, "https://"+strings.Replace(host, "#", ":"+everywhere.port+"/#", 1)+":"+everywhere.port+"/x") {
			wantCode(t, kind+" at "+host, err, CodeBlocked)
		}
	}
	for _, address := range []string{"http://a.example.com/", "ftp://a.example.com/", "file:///etc/passwd", "gopher://a.example.com/", "//a.example.com/", "a.example.com", ""} {
		for kind, err := range every(t.Context(), c, address) {
			wantCode(t, kind+" at "+address, err, CodeBlocked)
		}
	}
	silent(t, "literal addresses", everywhere.counter)
	if n.asked.Load() != 0 {
		t.Errorf("the resolver was asked %d times", n.asked.Load())
	}
}

// The system's resolver is no way around the check either.
func TestTheSystemsResolverIsCheckedToo(t *testing.T) {
	t.Parallel()
	everywhere := newSite(t, "[::]:0", func(w http.ResponseWriter, r *http.Request) { document(w, "http://"+r.Host+"/") })
	everywhere.server.Start()
	for _, c := range []*Client{New(Config{AllowHTTP: true}), New(Config{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})} {
		for kind, err := range every(t.Context(), c, "http://localhost:"+everywhere.port+"/") {
			wantCode(t, kind+" at localhost", err, CodeBlocked)
		}
	}
	silent(t, "localhost", everywhere.counter)
	open := New(Config{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
	if _, err := open.FetchAS2(t.Context(), "http://localhost:"+everywhere.port+"/"); err != nil {
		t.Errorf("what is allowed is reached: %v", err)
	}
}

// A proxy would resolve and connect for us, unchecked. No t.Parallel: the environment is the process's.
func TestProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	proxy := listen(t, "127.0.0.1:0")
	defer proxy.Close()
	go func() {
		for {
			conn, err := proxy.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://"+proxy.Addr().String())
	}
	n := &names{answers: map[string][][]netip.Addr{"a.example.com": always("10.0.0.1")}}
	c := client(t, n, internet)
	for kind, err := range every(t.Context(), c, "https://a.example.com/") {
		wantCode(t, kind, err, CodeBlocked)
	}
	silent(t, "a proxy", proxy)
}

// N2: the second answer of a name is another, and one of two answers is ours.
func TestRebindingLeadsNowhere(t *testing.T) {
	t.Parallel()
	outside := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // the next request has to dial, and to resolve, again
		document(w, "https://"+r.Host+r.URL.Path)
	})
	inside := serve(t, "127.0.0.2:"+outside.port, func(w http.ResponseWriter, r *http.Request) {
		document(w, "https://"+r.Host+r.URL.Path)
	})
	n := &names{answers: map[string][][]netip.Addr{
		"a.example.com": append(always("127.0.0.1"), always("127.0.0.2")...),
		"b.example.com": always("127.0.0.2", "127.0.0.1"),
	}}
	c := client(t, n, internet)
	if _, err := c.FetchAS2(t.Context(), outside.at("a", "/first")); err != nil {
		t.Errorf("first answer: %v", err)
	}
	for kind, err := range every(t.Context(), c, outside.at("a", "/second")) {
		wantCode(t, kind+" by the second answer", err, CodeBlocked)
	}
	if _, err := c.FetchAS2(t.Context(), outside.at("b", "/")); err != nil {
		t.Errorf("of two addresses the public one is taken: %v", err)
	}
	silent(t, "our own network", inside.counter)
	if outside.accepted.Load() != 2 {
		t.Errorf("%d connections to the public address", outside.accepted.Load())
	}
}

func TestNamesThatDontExistAreUnreachable(t *testing.T) {
	t.Parallel()
	n := &names{answers: map[string][][]netip.Addr{"empty.example.com": {nil}}}
	c := client(t, n, internet)
	for _, address := range []string{"https://nowhere.example.com/", "https://empty.example.com/"} {
		for kind, err := range every(t.Context(), c, address) {
			wantCode(t, kind, err, CodeUnreachable)
			if !IsTemporary(err) {
				t.Errorf("%v may pass", err)
			}
		}
	}
}

// A name with a thousand addresses costs no thousand attempts.
func TestAddressesOfANameAreBounded(t *testing.T) {
	t.Parallel()
	closed := listen(t, "127.0.0.1:0")
	_ = closed.Close() // nobody listens there any more
	_, port, _ := strings.Cut(closed.Addr().String(), ":")
	many := make([]string, 1000)
	for i := range many {
		many[i] = "127.0.0.1"
	}
	n := &names{answers: map[string][][]netip.Addr{"a.example.com": always(many...)}}
	start := time.Now()
	_, err := client(t, n, internet).FetchAS2(t.Context(), "https://a.example.com:"+port+"/")
	wantCode(t, "a closed port", err, CodeUnreachable)
	if took := time.Since(start); took > ConnectTimeout {
		t.Errorf("took %v", took)
	}
}
