//go:build linux

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/multiformats/go-multibase"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// public is the loopback address that stands for a public one: tests let the program reach it, and
// 127.0.0.1 stays what it is.
const public = "127.0.0.2"

// outside is all other servers of the network. They share an address and a port; hosts are told apart by
// name. On the same port of 127.0.0.1 and ::1 traps count who comes.
type outside struct {
	scheme      string
	port        string
	ca          string       // with https: the file of the root certificate
	connections atomic.Int64 // to the public address
	trapped     atomic.Int64 // connections to 127.0.0.1 and ::1
	mu          sync.Mutex
	pages       map[string]http.HandlerFunc // by host, without the port, and path
	seen        []seen
}

// seen is a request that the program made.
type seen struct {
	Method, Host, Target string
	Header               http.Header
	Body                 []byte
}

// newOutside listens. The port is one that is free on all three addresses.
func newOutside(t *testing.T) *outside {
	t.Helper()
	return (&outside{scheme: "http"}).listen(t)
}

// newSecureOutside speaks https, as everything does outside of tests.
func newSecureOutside(t *testing.T) *outside {
	t.Helper()
	return (&outside{scheme: "https"}).listen(t)
}

func (o *outside) listen(t *testing.T) *outside {
	t.Helper()
	o.pages = map[string]http.HandlerFunc{}
	l := must[net.Listener](t)(net.Listen("tcp", public+":0"))
	_, o.port, _ = net.SplitHostPort(l.Addr().String())
	for _, private := range []string{"127.0.0.1", "::1"} {
		trap, err := net.Listen("tcp", net.JoinHostPort(private, o.port))
		if err != nil {
			_ = l.Close()
			t.Logf("port %s of %s: %v; another", o.port, private, err)
			return o.listen(t)
		}
		t.Cleanup(func() { _ = trap.Close() })
		go func() {
			for {
				conn, err := trap.Accept()
				if err != nil {
					return
				}
				o.trapped.Add(1)
				_ = conn.Close()
			}
		}()
	}
	server := &http.Server{Handler: o, ErrorLog: log.New(io.Discard, "", 0)}
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			o.connections.Add(1)
		}
	}
	server.SetKeepAlivesEnabled(false) // every request looks the name up again
	t.Cleanup(func() { _ = server.Close() })
	if o.scheme == "http" {
		go func() { _ = server.Serve(l) }()
		return o
	}
	var certificate tls.Certificate
	o.ca, certificate = newCertificate(t, "*.localhost")
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	go func() { _ = server.ServeTLS(l, "", "") }()
	return o
}

// newCertificate makes a certificate that is its own root, and the root's file.
func newCertificate(t *testing.T, name string) (ca string, c tls.Certificate) {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().AddDate(-1, 0, 0),
		NotAfter: time.Now().AddDate(20, 0, 0), IsCA: true, BasicConstraintsValid: true, DNSNames: []string{name},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key))
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return ca, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// reach are the settings with which the program reaches the outside and nothing else.
func (o *outside) reach() []setting {
	reach := []setting{{"FLATTRD_TEST_RESOLVE", "*.localhost=" + public}, {"FLATTRD_TEST_ALLOW", public + "/32"}}
	if o.scheme == "http" {
		return append(reach, overHTTP)
	}
	return append(reach, setting{"FLATTRD_TEST_CA", o.ca})
}

// at is the address of a path.
func (o *outside) at(host, path string) string { return o.scheme + "://" + host + ":" + o.port + path }

// page serves something.
func (o *outside) page(host, path string, h http.HandlerFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pages[host+path] = h
}

// document serves a JSON document.
func (o *outside) document(host, path, mediaType string, doc any) {
	body, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	o.page(host, path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(body)
	})
}

// ServeHTTP takes what is posted to an inbox, and serves pages.
func (o *outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.Host)
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	o.mu.Lock()
	o.seen = append(o.seen, seen{r.Method, host, r.URL.RequestURI(), r.Header.Clone(), body})
	h := o.pages[host+r.URL.Path]
	o.mu.Unlock()
	switch {
	case r.Method == http.MethodPost:
		w.WriteHeader(http.StatusAccepted)
	case h != nil:
		h(w, r)
	default:
		http.NotFound(w, r)
	}
}

// asked are the requests for a path.
func (o *outside) asked(host, path string) []seen {
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []seen
	for _, s := range o.seen {
		if s.Host == host && s.Target == path {
			found = append(found, s)
		}
	}
	return found
}

// quiet runs f and asserts that the program has called nobody meanwhile.
func (o *outside) quiet(t *testing.T, f func()) {
	t.Helper()
	before, trapped := o.connections.Load(), o.trapped.Load()
	f()
	if o.connections.Load() != before || o.trapped.Load() != trapped {
		t.Errorf("%d connections were made, want none", o.connections.Load()-before+o.trapped.Load()-trapped)
	}
}

// untrapped asserts that nobody ever came to a private address.
func (o *outside) untrapped(t *testing.T) {
	t.Helper()
	if n := o.trapped.Load(); n > 0 {
		t.Errorf("%d connections to a private address", n)
	}
}

// stranger is an actor on another server.
type stranger struct {
	host, path, id, keyID string
	key                   crypto.Signer
}

// person puts an actor on a server, with an RSA key of its own.
func (o *outside) person(t *testing.T, host, name string) stranger {
	t.Helper()
	return o.actor(t, host, "/users/"+name, "Person", rsaKeyOf(t, name), nil)
}

// actor puts an actor on a server. change may alter its document.
func (o *outside) actor(t *testing.T, host, path, kind string, key crypto.Signer, change func(doc map[string]any)) stranger {
	t.Helper()
	p := stranger{host: host, path: path, id: o.at(host, path), keyID: o.at(host, path) + "#main-key", key: key}
	doc := p.document(t, kind)
	if change != nil {
		change(doc)
	}
	o.document(host, path, vocab.AS2MediaType, doc)
	return p
}

// document is an actor who speaks flattr.
func (p stranger) document(t *testing.T, kind string) map[string]any {
	t.Helper()
	return map[string]any{
		"@context": []any{vocab.AS2, map[string]any{"fl": vocab.NS}},
		"id":       p.id, "type": kind, "preferredUsername": "somebody",
		"inbox": p.id + "/inbox", "outbox": p.id + "/outbox",
		"publicKey":         map[string]any{"id": p.keyID, "owner": p.id, "publicKeyPem": pemOf(t, p.key.Public())},
		"generator":         map[string]any{"type": "Application", "implements": []any{map[string]any{"href": vocab.V1}}},
		"fl:acceptsFlattrs": true,
	}
}

// like is a flattr of this actor; period "" is the plain Like of the fediverse.
func (p stranger) like(id, object, period string) []byte {
	like := map[string]any{"@context": []any{vocab.AS2, map[string]any{"fl": vocab.NS, "period": "fl:period"}},
		"id": originOf(p.id) + "/likes/" + id, "type": "Like", "actor": p.id, "object": object}
	if period != "" {
		like["period"] = period
	}
	body, err := json.Marshal(like)
	if err != nil {
		panic(err)
	}
	return body
}

// originOf is all of an address before its path.
func originOf(address string) string { return strings.Join(strings.SplitN(address, "/", 4)[:3], "/") }

var ring struct {
	sync.Mutex
	keys map[string]*rsa.PrivateKey
}

// rsaKeyOf is a name's RSA key of 2048 bits, the same for all tests: making one takes a while.
func rsaKeyOf(t *testing.T, name string) *rsa.PrivateKey {
	t.Helper()
	return keyOf(t, name, 2048)
}

// keyOf shares four keys among all names: which of them is whose doesn't matter, only that neighbours differ.
func keyOf(t *testing.T, name string, bits int) *rsa.PrivateKey {
	t.Helper()
	ring.Lock()
	defer ring.Unlock()
	slot := fmt.Sprintf("%d/%d", bits, sum(name)%4)
	if ring.keys[slot] == nil {
		if ring.keys == nil {
			ring.keys = map[string]*rsa.PrivateKey{}
		}
		ring.keys[slot] = must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, bits))
	}
	return ring.keys[slot]
}

func sum(text string) (n int) {
	for _, c := range []byte(text) {
		n += int(c)
	}
	return n
}

func pemOf(t *testing.T, key crypto.PublicKey) string {
	t.Helper()
	der := must[[]byte](t)(x509.MarshalPKIXPublicKey(key))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func multikeyOf(t *testing.T, key ed25519.PublicKey) string {
	t.Helper()
	return must[string](t)(multibase.Encode(multibase.Base58BTC, append([]byte{0xed, 1}, key...)))
}
