//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// notPublic are addresses that names may resolve to and nobody is connected to.
var notPublic = []string{"127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.0.1",
	"169.254.169.254", "100.64.0.1", "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
	"255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
	"2002:7f00:1::", "2001::1", "2001:db8::1", "fc00::1", "fd00::1", "fe80::1", "fec0::1", "ff02::1"}

// spelled are spellings of 127.0.0.1 and ::1 that some resolver would take.
var spelled = []string{"127.0.0.1", "0x7f.1", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "127.0.0.1.", "[::1]",
	"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "①②⑦.0.0.1", "１２７.０.０.１", "127。0。0。1"}

// N1: no address that isn't public is ever connected to, whatever leads there, and with no allow-list.
func TestN1Addresses(t *testing.T) {
	program(t)
	t.Parallel()
	out := newOutside(t)
	var table []string
	for i, address := range notPublic {
		table = append(table, fmt.Sprintf("n%d.localhost=%s", i, address))
	}
	table = append(table, "localhost=127.0.0.1", "two.localhost=10.0.0.1", "two.localhost=127.0.0.1")
	proxy := "http://127.0.0.1:" + out.port
	s := &scene{out: out, subject: serveAt(t, 0, overHTTP, setting{"FLATTRD_TEST_RESOLVE", strings.Join(table, ",")},
		setting{"HTTP_PROXY", proxy}, setting{"HTTPS_PROXY", proxy}, setting{"ALL_PROXY", proxy}, setting{"http_proxy", proxy})}
	s.thing = s.button(t, "n1")
	names := []string{"localhost", "two.localhost"}
	for i := range notPublic {
		names = append(names, fmt.Sprintf("n%d.localhost", i))
	}
	for _, name := range names {
		t.Run("key-"+name, func(t *testing.T) {
			begin := time.Now()
			r := s.signedLike(t, out.unserved(t, name))
			s.refuses(t, r, http.StatusForbidden, "net.blocked")
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("took %v: it was tried", took)
			}
		})
	}
	for _, host := range spelled {
		t.Run("key-"+host, func(t *testing.T) {
			r := s.signedLike(t, out.unserved(t, host))
			before, mark := s.state(t), s.mark(t)
			got := s.send(t, r)
			status, code := http.StatusBadRequest, "iri.address"
			if strings.ContainsFunc(host, func(r rune) bool { return r > '~' }) { // a keyId that isn't one already
				status, code = http.StatusUnauthorized, "sig.key"
			}
			if strings.HasSuffix(host, ".") {
				code = "iri"
			}
			if codes := s.refusals(t, mark); got.status != status || !slices.Equal(codes, []string{code}) {
				t.Errorf("status %d, events %v, want %d %s", got.status, codes, status, code)
			}
			if s.state(t) != before {
				t.Error("something changed")
			}
		})
	}
	s.byPeople(t, names)
	if n := out.connections.Load() + out.trapped.Load(); n > 0 {
		t.Errorf("%d connections were made", n)
	}
}

// The same without any hook: names are resolved by the machine, and localhost is what it is.
func TestN1WithoutHooks(t *testing.T) {
	program(t)
	t.Parallel()
	out := newSecureOutside(t)
	s := &scene{out: out, subject: serveAt(t, 0)}
	s.thing = s.button(t, "n1")
	out.quiet(t, func() {
		s.refuses(t, s.signedLike(t, out.unserved(t, "localhost")), http.StatusForbidden, "net.blocked")
		s.refuses(t, s.signedLike(t, out.unserved(t, "127.0.0.1")), http.StatusBadRequest, "iri.address")
		b := s.login(t, "op")
		if status := b.get(t, "/intents/flattr?object=https://localhost:"+out.port+"/buttons/x"); status != http.StatusNotFound {
			t.Errorf("thing: status %d", status)
		}
	})
	plain := out.unserved(t, "n.localhost") // and http isn't taken at all
	plain.id, plain.keyID = strings.Replace(plain.id, "https:", "http:", 1), strings.Replace(plain.keyID, "https:", "http:", 1)
	s.refuses(t, s.signedLike(t, plain), http.StatusBadRequest, "iri")
}

// unserved is an actor of a host that the outside doesn't serve.
func (o *outside) unserved(t *testing.T, host string) stranger {
	id := o.at(host, "/users/x")
	return stranger{host: host, id: id, keyID: id + "#main-key", key: rsaKeyOf(t, "x")}
}

// signedLike is a new flattr, signed by its actor.
func (s *scene) signedLike(t *testing.T, p stranger) *http.Request {
	t.Helper()
	r, _ := s.like(p)
	return p.sign(t, r)
}

// byPeople: what a member names as thing or as home leads nowhere else either.
func (s *scene) byPeople(t *testing.T, names []string) {
	b := s.login(t, "op")
	t.Run("thing", func(t *testing.T) {
		for _, host := range names {
			mark := s.mark(t)
			status := b.get(t, "/intents/flattr?object=https://"+host+":"+s.out.port+"/buttons/x")
			if codes := s.refusals(t, mark); status != http.StatusNotFound || len(codes) != 1 || codes[0] != "net.blocked" {
				t.Errorf("%s: status %d, events %v", host, status, codes)
			}
		}
		for _, host := range spelled {
			if status := b.get(t, "/intents/flattr?object=https://"+host+":"+s.out.port+"/buttons/x"); status/100 != 4 || status == http.StatusTooManyRequests {
				t.Errorf("%s: status %d", host, status)
			}
		}
	})
	page := "/f/" + s.thing[strings.LastIndexByte(s.thing, '/')+1:]
	t.Run("home", func(t *testing.T) {
		for _, host := range append(names[1:5:5], spelled[:9]...) {
			mark := s.mark(t)
			status := b.post(t, page, map[string]string{"flattr-address": "@x@" + host})
			if status != http.StatusUnprocessableEntity {
				t.Errorf("%s: status %d", host, status)
			}
			if codes := s.refusals(t, mark); strings.HasSuffix(host, "localhost") && (len(codes) != 1 || codes[0] != "net.blocked") {
				t.Errorf("%s: events %v", host, codes)
			}
		}
	})
}

// visitor is somebody's browser at the instance.
type visitor struct {
	*browser
	base string
}

// login logs a member in.
func (s *subject) login(t *testing.T, name string) visitor {
	t.Helper()
	b := newBrowser()
	b.client.Transport = s.client.Transport
	v := visitor{b, s.door}
	if err := b.open(context.Background(), s.door+"/login"); err != nil {
		t.Fatal(err)
	}
	if err := b.submit(context.Background(), "/login", map[string]string{"name": name, "password": testPassword}); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v visitor) get(t *testing.T, path string) int {
	t.Helper()
	resp, err := v.client.Get(v.base + path)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func (v visitor) post(t *testing.T, path string, fields map[string]string) int {
	t.Helper()
	form := []string{}
	for name, value := range fields {
		form = append(form, name+"="+strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B").Replace(value))
	}
	resp, err := v.client.Post(v.base+path, "application/x-www-form-urlencoded", strings.NewReader(strings.Join(form, "&")))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// names is a name server that answers from lists: the first question for a name gets the first list, the
// last list is kept.
type names struct {
	mu      sync.Mutex
	answers map[string][][]netip.Addr
	address string
}

func newNames(t *testing.T) *names {
	t.Helper()
	n := &names{answers: map[string][][]netip.Addr{}}
	conn := must[net.PacketConn](t)(net.ListenPacket("udp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = conn.Close() })
	n.address = conn.LocalAddr().String()
	go func() {
		packet := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer, err := n.answer(packet[:size]); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return n
}

// set says what a name has: each argument is the answer to one question, addresses separated by spaces.
func (n *names) set(name string, answers ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, answer := range answers {
		var all []netip.Addr
		for _, address := range strings.Fields(answer) {
			all = append(all, netip.MustParseAddr(address))
		}
		n.answers[name+"."] = append(n.answers[name+"."], all)
	}
}

// answer takes the next list with a question for IPv4; the one for IPv6 that comes with it gets the same.
func (n *names) answer(packet []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil || len(m.Questions) != 1 {
		return nil, fmt.Errorf("no question: %v", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	q := m.Questions[0]
	m.Response, m.Authoritative, m.RecursionAvailable, m.Additionals = true, true, true, nil
	lists := n.answers[q.Name.String()]
	if len(lists) == 0 {
		m.RCode = dnsmessage.RCodeNameError
		return m.Pack()
	}
	for _, address := range lists[0] {
		header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}
		switch {
		case q.Type == dnsmessage.TypeA && address.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: address.As4()}})
		case q.Type == dnsmessage.TypeAAAA && address.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: address.As16()}})
		}
	}
	if q.Type == dnsmessage.TypeA && len(lists) > 1 {
		n.answers[q.Name.String()] = lists[1:]
	}
	return m.Pack()
}

// rebound is a scene whose names a name server of the test resolves.
func rebound(t *testing.T, more ...setting) (*scene, *names) {
	t.Helper()
	program(t)
	t.Parallel()
	out, dns := newOutside(t), newNames(t)
	s := &scene{out: out, subject: serveAt(t, 0, append(more, overHTTP, setting{"FLATTRD_TEST_RESOLVE", "dns://" + dns.address},
		setting{"FLATTRD_TEST_ALLOW", public + "/32"})...)}
	s.thing = s.button(t, "n")
	t.Cleanup(func() { out.untrapped(t) })
	return s, dns
}

// N2: what a name resolved to earlier, or resolves to as well, doesn't matter: the address that is
// connected to is checked.
func TestN2Rebinding(t *testing.T) {
	s, dns := rebound(t)
	for host, addresses := range map[string]string{"first.localhost": public + " 127.0.0.1", "last.localhost": "127.0.0.1 " + public,
		"six.localhost": public + " ::1"} {
		t.Run(host, func(t *testing.T) {
			dns.set(host, addresses)
			s.takes(t, s.signedLike(t, s.out.person(t, host, "bob")))
			waitFor(t, "the answer", func() bool { return len(s.out.asked(host, "/users/bob/inbox")) > 0 })
		})
	}
	t.Run("private", func(t *testing.T) {
		dns.set("private.localhost", "127.0.0.1 ::1 10.0.0.1")
		s.refuses(t, s.signedLike(t, s.out.person(t, "private.localhost", "bob")), http.StatusForbidden, "net.blocked")
	})
	t.Run("key", func(t *testing.T) { // the key was had from a public address, and is asked for again
		dns.set("key.localhost", public, "127.0.0.1")
		eve := s.out.person(t, "key.localhost", "eve")
		mark := s.mark(t)
		s.takes(t, s.signedLike(t, eve))
		eve.key = rsaKeyOf(t, "bob") // another key, as after a rotation
		s.awaitEvent(t, mark, "deliver.stopped")
		s.refuses(t, s.signedLike(t, eve), http.StatusForbidden, "net.blocked")
	})
	t.Run("inbox", func(t *testing.T) { // the key was had from a public address, the answer is told later
		dns.set("inbox.localhost", public, "127.0.0.1")
		mark := s.mark(t)
		s.takes(t, s.signedLike(t, s.out.person(t, "inbox.localhost", "bob")))
		if e := s.awaitEvent(t, mark, "deliver.stopped"); !strings.Contains(e.Error, "net.blocked") {
			t.Errorf("stopped by %q", e.Error)
		}
		if len(s.out.asked("inbox.localhost", "/users/bob/inbox")) > 0 {
			t.Error("the answer was told")
		}
	})
}

// N3: redirects are followed for reading, on one host, a few, each checked and signed anew; who somebody
// is, the last address says.
func TestN3Redirects(t *testing.T) {
	ca, secure := newTLS(t)
	s, dns := rebound(t, setting{"FLATTRD_TEST_CA", ca})
	for _, host := range []string{"hop.localhost", "evil.localhost", "tls.localhost"} {
		dns.set(host, public)
	}
	dns.set("private.localhost", "127.0.0.1")
	dns.set("turn.localhost", public, "127.0.0.1")
	to := func(host, path, location string) {
		s.out.page(host, path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		})
	}
	victim := s.out.person(t, "evil.localhost", "victim")
	for name, c := range map[string]struct {
		host, location string
		status         int
		code           string
	}{
		"private-host":    {"hop.localhost", s.out.at("private.localhost", "/users/x"), 401, "sig.key"},
		"private-literal": {"hop.localhost", s.out.at("127.0.0.1", "/users/x"), 403, "net.blocked"},
		"private-rebound": {"turn.localhost", "/users/x", 403, "net.blocked"},
		"other-host":      {"hop.localhost", victim.id, 401, "sig.key"},
		"other-scheme":    {"hop.localhost", "ftp://hop.localhost/x", 403, "net.blocked"},
		"file":            {"hop.localhost", "file:///etc/passwd", 403, "net.blocked"},
		"loop":            {"hop.localhost", "/start/loop", 401, "sig.key"},
	} {
		t.Run(name, func(t *testing.T) {
			to(c.host, "/start/"+name, c.location)
			p := s.out.unserved(t, c.host)
			p.id, p.keyID = s.out.at(c.host, "/start/"+name), s.out.at(c.host, "/start/"+name)+"#main-key"
			s.refuses(t, s.signedLike(t, p), c.status, c.code)
		})
	}
	if n := len(s.out.asked("evil.localhost", "/users/victim")); n > 0 {
		t.Errorf("the other host was asked %d times", n)
	}
	if n := len(s.out.asked("hop.localhost", "/start/loop")); n > 4 {
		t.Errorf("the loop was asked %d times", n)
	}
	s.downgrade(t, secure)
	s.hops(t, to)
	s.identity(t, to)
}

// downgrade: from https to http no redirect is followed.
func (s *scene) downgrade(t *testing.T, secure *secureHost) {
	t.Run("https-to-http", func(t *testing.T) {
		secure.location = "http://tls.localhost:" + secure.port + "/users/x"
		id := "https://tls.localhost:" + secure.port + "/users/x"
		p := stranger{host: "tls.localhost", id: id, keyID: id + "#main-key", key: rsaKeyOf(t, "x")}
		s.refuses(t, s.signedLike(t, p), http.StatusUnauthorized, "sig.key")
		if n := secure.connections.Load(); n != 1 {
			t.Errorf("%d connections, want the one over TLS", n)
		}
	})
}

// hops: three are followed, four aren't, and each is signed for its own target.
func (s *scene) hops(t *testing.T, to func(host, path, location string)) {
	t.Run("hops", func(t *testing.T) {
		for i := range 4 {
			to("hop.localhost", numbered("/hop/", i), numbered("/hop/", i+1))
		}
		last := s.out.actor(t, "hop.localhost", "/hop/4", "Person", rsaKeyOf(t, "hop"), nil)
		last.keyID = s.out.at("hop.localhost", "/hop/0") + "#main-key"
		s.refuses(t, s.signedLike(t, last), http.StatusUnauthorized, "sig.key")
		if n := len(s.out.asked("hop.localhost", "/hop/4")); n > 0 {
			t.Error("the fourth hop was made")
		}
		listed := s.out.at("hop.localhost", "/hop/1") + "#main-key"
		last = s.out.actor(t, "hop.localhost", "/hop/4", "Person", rsaKeyOf(t, "hop"), func(doc map[string]any) {
			doc["publicKey"].(map[string]any)["id"] = listed
		})
		last.keyID = listed
		s.takes(t, s.signedLike(t, last))
		for i := 1; i <= 4; i++ {
			asked := s.out.asked("hop.localhost", numbered("/hop/", i))
			s.isOurs(t, asked[len(asked)-1])
		}
	})
}

// isOurs verifies the program's signature of a GET.
func (s *scene) isOurs(t *testing.T, r seen) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequest(http.MethodGet, s.door+"/actor", nil))
	req.Header.Set("Accept", vocab.AS2MediaType)
	actor := must[vocab.Actor](t)(vocab.ParseActor(must[vocab.Document](t)(vocab.Decode(s.send(t, req).body))))
	key := must[signature.PublicKey](t)(signature.ParsePublicPEM(actor.PublicKeys[0].ID, actor.ID, actor.PublicKeys[0].PEM))
	again := must[*http.Request](t)(http.NewRequest(r.Method, "http://"+r.Host+":"+s.out.port+r.Target, nil))
	again.Header = r.Header
	signed, err := signature.Parse(again, nil, signature.Expect{Scheme: "http", Host: again.Host, Now: s.now()})
	if err == nil {
		err = signed.Verify(key)
	}
	if err != nil {
		t.Errorf("%s isn't signed by us for this target: %v", r.Target, err)
	}
}

// identity: a document is what its last address says, and never what the first one says.
func (s *scene) identity(t *testing.T, to func(host, path, location string)) {
	t.Run("identity", func(t *testing.T) {
		to("hop.localhost", "/users/alias", "/users/real")
		real := s.out.person(t, "hop.localhost", "real")
		alias := real
		alias.id, alias.keyID = s.out.at("hop.localhost", "/users/alias"), s.out.at("hop.localhost", "/users/alias")+"#main-key"
		s.refuses(t, s.signedLike(t, alias), http.StatusForbidden, "sig.owner")
		s.takes(t, s.signedLike(t, real))
		to("hop.localhost", "/users/moved", "/files/upload")
		upload := stranger{id: s.out.at("hop.localhost", "/users/moved"), keyID: s.out.at("hop.localhost", "/users/moved") + "#main-key",
			key: rsaKeyOf(t, "upload")}
		s.out.document("hop.localhost", "/files/upload", vocab.AS2MediaType, upload.document(t, "Person"))
		s.refuses(t, s.signedLike(t, upload), http.StatusForbidden, "sig.owner")
	})
}

// secureHost is tls.localhost: TLS on the public address, redirecting to wherever a test says.
type secureHost struct {
	port, location string
	connections    atomic.Int64
}

// newTLS starts it and returns the file of the root certificate.
func newTLS(t *testing.T) (ca string, h *secureHost) {
	t.Helper()
	ca, certificate := newCertificate(t, "tls.localhost")
	h = &secureHost{}
	l := must[net.Listener](t)(net.Listen("tcp", public+":0"))
	_, h.port, _ = net.SplitHostPort(l.Addr().String())
	server := &http.Server{ErrorLog: log.New(os.Stderr, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, h.location, http.StatusFound)
	}), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				h.connections.Add(1)
			}
		}}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.ServeTLS(l, "", "") }()
	return ca, h
}
