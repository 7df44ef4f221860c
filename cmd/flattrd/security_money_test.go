//go:build linux

package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// home is another flattr instance: its actor, with an accounting key, found by WebFinger.
type home struct {
	stranger
	accounting signature.PrivateKey
}

func (o *outside) home(t *testing.T, host string) home {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	actor := o.at(host, "/actor")
	h := home{accounting: must[signature.PrivateKey](t)(signature.NewPrivateKey(actor+"#accounting-key", actor, private))}
	h.stranger = o.actor(t, host, "/actor", "Application", rsaKeyOf(t, host), func(doc map[string]any) {
		doc["assertionMethod"] = []any{map[string]any{"id": actor + "#accounting-key", "type": "Multikey",
			"controller": actor, "publicKeyMultibase": multikeyOf(t, public)}}
	})
	o.document(host, "/.well-known/webfinger", vocab.JRDMediaType, vocab.JRD{Subject: o.at(host, "/"),
		Links: []vocab.JRDLink{{Rel: vocab.RelSelf, Type: vocab.AS2MediaType, Href: actor}}})
	return h
}

// meet lets the program know an instance, by a plain message of its actor's.
func (s *scene) meet(t *testing.T, h home) {
	t.Helper()
	if column[int](t, s.subject, `select count(*) from remote_actor where id = $1`, h.id)[0] > 0 {
		return
	}
	r, _ := s.like(h.stranger)
	s.takes(t, h.sign(t, r))
}

// passMonth turns the clock on until the month that was open is over: no claim is taken for a month in
// which the instance didn't exist.
func (s *scene) passMonth(t *testing.T) {
	t.Helper()
	month := s.now().UTC().Format("2006-01")
	end := ledger.PeriodEnd(month)
	s.turnTo(t, end.Add(time.Hour))
	waitFor(t, month+" is over", func() bool {
		return column[string](t, s.subject, `select state from month where period = $1`, month)[0] != "open"
	})
}

func lastMonth(now time.Time) string {
	y, m, _ := now.UTC().Date()
	return time.Date(y, m-1, 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
}

// line is what a member got for a thing.
func line(s *subject, member, thing string, amount int64) vocab.Line {
	return vocab.Line{Payee: s.books.Instance().MemberIRI(member), Amount: amount,
		Things: []vocab.LineThing{{Object: thing, Flattrs: 3, Amount: &amount}}}
}

// plainClaim is a claim without its proof.
func (h home) plainClaim(t *testing.T, s *subject, period string, n int, lines ...vocab.Line) []byte {
	t.Helper()
	c := vocab.Claim{Actor: h.id, To: s.base + "/actor", Published: s.now().Truncate(time.Second), Lines: lines,
		ID: originOf(h.id) + "/claims/" + period + "/" + s.host + "/EUR/" + numbered("", n),
		Agreement: vocab.Agreement{AttributedTo: h.id, Satisfies: s.base + "/proposals/eur#primary", Period: period,
			AssetCode: "EUR"}}
	c = must[vocab.Claim](t)(c.Completed())
	return must[[]byte](t)(vocab.RenderClaim(c))
}

func (h home) claim(t *testing.T, s *subject, period string, n int, lines ...vocab.Line) []byte {
	t.Helper()
	return h.prove(t, s, h.plainClaim(t, s, period, n, lines...))
}

func (h home) prove(t *testing.T, s *subject, plain []byte) []byte {
	t.Helper()
	return must[[]byte](t)(signature.Prove(plain, h.accounting, s.now().Truncate(time.Second)))
}

// offer is a signed message of the home's to the instance's inbox.
func (h home) offer(t *testing.T, s *subject, body []byte) *http.Request {
	t.Helper()
	return h.sign(t, s.postTo("/actor/inbox", body))
}

// answers are what the program has told a home about an object.
func (o *outside) answers(h home, object string) []seen {
	var found []seen
	for _, m := range o.asked(h.host, "/actor/inbox") {
		var doc struct{ Object string }
		if json.Unmarshal(m.Body, &doc) == nil && doc.Object == object {
			found = append(found, m)
		}
	}
	return found
}
