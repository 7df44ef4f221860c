package federation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// town is two instances with one person each: alice@a gives, bob@b has a button.
type town struct {
	*federationtest.World
	t          testing.TB
	a, b       *federationtest.Instance
	alice, bob ledger.Member
	bobIRI     string // bob's actor
	thing      string // bob's button
}

func newTown(t testing.TB) *town {
	t.Helper()
	return townOf(t, federationtest.Host{Name: "a"})
}

// townOf is newTown with another a.
func townOf(t testing.TB, a federationtest.Host) *town {
	t.Helper()
	w := federationtest.New(t, federationtest.Weather{}, a, federationtest.Host{Name: "b"})
	to := &town{World: w, t: t, a: w.At("a"), b: w.At("b"), alice: w.Member("a", "alice"), bob: w.Member("b", "bob")}
	to.bobIRI = to.b.Ledger.Instance().MemberIRI("bob")
	to.thing = to.b.Ledger.Instance().ButtonIRI(w.Button("b", to.bob, "1").ID)
	return to
}

func (to *town) must(err error) {
	to.t.Helper()
	if err != nil {
		to.t.Fatal(err)
	}
}

// as2 is what a server sends that wants a document.
const as2 = `application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"`

// get asks for an address with an Accept header.
func (to *town) get(address, accept string) *http.Response {
	to.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	to.must(err)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	return to.Do(r)
}

// object fetches a document and decodes it as any JSON reader would.
func (to *town) object(address string) map[string]any {
	to.t.Helper()
	r := to.get(address, as2)
	if r.StatusCode != http.StatusOK {
		to.t.Fatalf("%s: %s", address, r.Status)
	}
	return decode(to.t, body(to.t, r))
}

func body(t testing.TB, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return members
}

// problem is an answer's status and problem document: "403 principal-actor-mismatch sig.owner".
func problem(t testing.TB, r *http.Response) string {
	t.Helper()
	raw := body(t, r)
	if r.StatusCode == http.StatusAccepted {
		return fmt.Sprintf("202%s", raw)
	}
	p, err := vocab.ParseProblem(raw)
	if err != nil || p.Status != r.StatusCode || r.Header.Get("Content-Type") != vocab.ProblemMediaType {
		t.Errorf("%s, %s: no problem document: %s", r.Status, r.Header.Get("Content-Type"), raw)
	}
	kind := p.Type[strings.LastIndexByte(p.Type, '#')+1:]
	return strings.Join(strings.Fields(fmt.Sprint(p.Status, " ", kind, " ", p.Title)), " ")
}

// activity writes an activity by hand.
func activity(id, kind, actor, object string, more ...string) []byte {
	return fmt.Appendf(nil, `{"@context":["https://www.w3.org/ns/activitystreams",{"fl":"https://fedflattr.org/ns#"}],
		"id":%q,"type":%q,"actor":%q,"object":%s%s}`, id, kind, actor, object, strings.Join(more, ""))
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// count runs a query that returns a number.
func count(t testing.TB, i *federationtest.Instance, sql string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := i.Pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// restart makes another server on an instance's database, as after a restart.
func (to *town) restart(i *federationtest.Instance) *federation.Server {
	s := federation.New(federation.Config{Ledger: i.Ledger, Pool: i.Pool, Client: to.Client(), Web: vocab.Web{AllowHTTP: true},
		Log: to.Log(), Version: "test"})
	to.Serve(i.Ledger.Instance().Host, s.Handler(http.NotFoundHandler()))
	return s
}

// flattr funds alice, lets her click on bob's button, and delivers what follows from that.
func (to *town) flattr() ledger.Flattr {
	to.t.Helper()
	ctx := context.Background()
	to.a.Fund(to.alice, 1_000_000)
	thing, err := to.a.Server.ResolveThing(ctx, to.thing)
	to.must(err)
	f, _, err := to.a.Flattr(ctx, to.alice.ID, thing.ID)
	to.must(err)
	to.Network.Sent(to.a)
	return f
}

// rsaKeyOf is a new RSA key for an actor.
func rsaKeyOf(t testing.TB, actor string) signature.PrivateKey {
	t.Helper()
	key, err := signature.GenerateRSA(actor+"#main-key", actor)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// date is a time in the winter of 2026.
func date(month time.Month, day, hour int) time.Time {
	year := 2026
	if month == time.January {
		year = 2027
	}
	return time.Date(year, month, day, hour, 0, 0, 0, time.UTC)
}
