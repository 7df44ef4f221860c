//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// lines are those of the books without the months, which pass and are settled by themselves.
func (s *subject) lines(t *testing.T) string {
	t.Helper()
	all := must[[]string](t)(s.books.Lines(t.Context()))
	return strings.Join(slices.DeleteFunc(all, func(line string) bool {
		return strings.HasPrefix(line, "month ") || strings.HasPrefix(line, "settlement ")
	}), "\n")
}

// L1: the same claim a hundred times, from two sides, over forty days: one posting, one answer.
func TestL1Replay(t *testing.T) {
	s := newScene(t)
	s.passMonth(t)
	h := s.out.home(t, "peer.localhost")
	s.join(t, "carla")
	claim := h.claim(t, s.subject, lastMonth(s.now()), 1, line(s.subject, "carla", s.thing, 250_000), line(s.subject, "op", s.thing, 750_000))
	id := idOf(t, claim)
	sides := []*http.Client{clientOf(s.address), clientOf(s.address)}
	s.replay(t, h, claim, sides, 60)
	first := s.lines(t)
	if n := column[int64](t, s.subject, `select count(*) from transfer where kind = 'line'`)[0]; n != 2 {
		t.Errorf("%d postings, want one for each line", n)
	}
	for range 4 {
		s.turn(t, s.offset+10*24*time.Hour)
		s.replay(t, h, claim, sides, 10)
	}
	waitFor(t, "a hundred answers", func() bool { return len(s.out.answers(h, id)) == 100 })
	answers := s.out.answers(h, id)
	for _, a := range answers[1:] {
		if !bytes.Equal(a.Body, answers[0].Body) {
			t.Fatalf("two answers:\n%s\n%s", answers[0].Body, a.Body)
		}
	}
	s.isAnswer(t, answers[0].Body, vocab.Accepted, 1_000_000)
	if s.lines(t) != first {
		t.Errorf("the books changed:\n%s\nwere\n%s", s.lines(t), first)
	}
}

// replay sends a claim in parallel over both sides' connections, each try signed anew.
func (s *scene) replay(t *testing.T, h home, claim []byte, sides []*http.Client, times int) {
	t.Helper()
	mark := s.mark(t)
	var wait sync.WaitGroup
	for i := range times {
		r := h.offer(t, s.subject, claim)
		wait.Go(func() {
			resp, err := sides[i%len(sides)].Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
	wait.Wait()
	if codes := s.refusals(t, mark); len(codes) > 0 {
		t.Errorf("events %v", codes)
	}
}

func idOf(t *testing.T, body []byte) string {
	t.Helper()
	return must[string](t)(must[vocab.Document](t)(vocab.Decode(body)).ID())
}

// isAnswer checks an answer to a claim and its proof by the instance's accounting key.
func (s *scene) isAnswer(t *testing.T, body []byte, verdict vocab.Verdict, amount int64) {
	t.Helper()
	r := must[*http.Request](t)(http.NewRequest(http.MethodGet, s.door+"/actor", nil))
	r.Header.Set("Accept", vocab.AS2MediaType)
	actor := must[vocab.Actor](t)(vocab.ParseActor(must[vocab.Document](t)(vocab.Decode(s.send(t, r).body))))
	for _, k := range actor.AssertionMethods {
		if strings.HasSuffix(k.ID, "#accounting-key") {
			key := must[signature.PublicKey](t)(signature.ParseMultikey(k.ID, actor.ID, k.Multibase))
			if _, err := signature.VerifyProof(body, key); err != nil {
				t.Errorf("proof: %v", err)
			}
			a := must[vocab.ClaimAnswer](t)(vocab.ParseClaimAnswer(must[vocab.Document](t)(vocab.Decode(body))))
			if a.Verdict != verdict || a.Agreement.Amount != amount {
				t.Errorf("answer %s of %d, want %s of %d", a.Verdict, a.Agreement.Amount, verdict, amount)
			}
			return
		}
	}
	t.Error("no accounting key")
}

// L2: the same id with other content changes nothing but the peer's standing; the first content keeps
// its answer.
func TestL2Conflict(t *testing.T) {
	s := newScene(t)
	s.passMonth(t)
	h := s.out.home(t, "peer.localhost")
	period := lastMonth(s.now())
	first := h.claim(t, s.subject, period, 1, line(s.subject, "op", s.thing, 1_000_000))
	id := idOf(t, first)
	s.takes(t, h.offer(t, s.subject, first))
	waitFor(t, "the answer", func() bool { return len(s.out.answers(h, id)) == 1 })
	digest := column[string](t, s.subject, `select digest from claim where iri = $1`, id)[0]

	t.Run("another amount", func(t *testing.T) {
		other := h.claim(t, s.subject, period, 1, line(s.subject, "op", s.thing, 1_000_001))
		got := s.refuses(t, h.offer(t, s.subject, other), http.StatusConflict, "inbox.conflict", "peer.frozen")
		if detail := got.problem("detail"); !strings.Contains(detail, digest) {
			t.Errorf("the answer doesn't say the stored digest: %q", detail)
		}
		if got.problem("type") != vocab.ContentConflict {
			t.Errorf("type %q", got.problem("type"))
		}
	})
	t.Run("frozen", func(t *testing.T) {
		next := h.claim(t, s.subject, period, 2, line(s.subject, "op", s.thing, 500_000))
		s.refuses(t, h.offer(t, s.subject, next), http.StatusForbidden, "claim.frozen")
		if reason := column[string](t, s.subject, `select frozen_reason from peer where host = $1`, h.host+":"+s.out.port); !strings.Contains(reason[0], id) {
			t.Errorf("frozen: %q", reason)
		}
	})
	t.Run("the original", func(t *testing.T) {
		before := s.state(t)
		s.takes(t, h.offer(t, s.subject, first))
		waitFor(t, "the same answer", func() bool { return len(s.out.answers(h, id)) == 2 })
		if a := s.out.answers(h, id); !bytes.Equal(a[0].Body, a[1].Body) {
			t.Errorf("another answer:\n%s\n%s", a[0].Body, a[1].Body)
		}
		if s.state(t) != before {
			t.Error("something changed")
		}
	})
	t.Run("another key of the same n", func(t *testing.T) { // a second id for what is spoken for
		k := s.out.home(t, "other.localhost")
		s.takes(t, k.offer(t, s.subject, k.claim(t, s.subject, period, 1, line(s.subject, "op", s.thing, 1_000_000))))
		body := k.plainClaim(t, s.subject, period, 1, line(s.subject, "op", s.thing, 1_000_000))
		body = bytes.Replace(body, []byte("/claims/"), []byte("/again/claims/"), 1)
		s.refuses(t, k.offer(t, s.subject, k.prove(t, s.subject, body)), http.StatusBadRequest, "claim.malformed")
	})
	t.Run("plain likes go on", func(t *testing.T) { s.takes(t, s.signedLike(t, h.stranger)) })
}

// badAmounts is what isn't an amount, as JSON (protocol §8: a string of ^(0|[1-9][0-9]{0,17})$).
var badAmounts = []string{`"1e9"`, `"0.1000000001"`, `"-1"`, `"+1"`, `"-0"`, `"00012"`, `"1.0"`, `"1,00"`, `"1_000"`, `"0x10"`,
	`" 1"`, `"1 "`, `""`, `"NaN"`, `"Infinity"`, `"٥"`, `"１"`, `"१"`, `null`, `true`, `5`, `1e3`, `9007199254740993`,
	`"9223372036854775808"`, `"1000000000000000000"`, `"` + strings.Repeat("9", 60) + `"`, `[1]`, `["1"]x`, `{"amount":"1"}`, ``}

// L3: an amount has one grammar; whatever else stands in its place is refused by name.
func TestL3Amounts(t *testing.T) {
	s := newScene(t)
	s.passMonth(t)
	h := s.out.home(t, "peer.localhost")
	s.takes(t, s.signedLike(t, h.stranger))
	period := lastMonth(s.now())
	claim := h.plainClaim(t, s.subject, period, 1, line(s.subject, "op", s.thing, 777_000_001))
	payment := h.plainPayment(t, s.subject, 777_000_001, idOf(t, claim))
	answer := h.plainReceipt(t, s.subject, 777_000_001)
	for _, place := range []struct {
		name     string
		body     []byte
		before   string // what stands before the amount, once
		member   string
		optional bool
	}{
		{"line", claim, `"fl:lines":[{"amount":`, "/object/fl:lines/0/amount", false},
		{"thing", claim, `"things":[{"amount":`, "/object/fl:lines/0/things/0/amount", true},
		{"total", claim, `"hasNumericalValue":`, "/object/stipulates/resourceQuantity/hasNumericalValue", false},
		{"payment", payment, `"fl:amount":`, "/object/fl:amount", false},
		{"allocation", payment, `"fl:allocations":[{"amount":`, "/object/fl:allocations/0/amount", false},
		{"receipt", answer, `"fl:amount":`, "/fl:amount", false},
	} {
		t.Run(place.name, func(t *testing.T) {
			before := s.state(t)
			for _, bad := range badAmounts {
				if place.optional && (bad == "null" || bad == "") {
					continue
				}
				s.namesMember(t, h, withAmount(t, place.body, place.before, bad), bad, place.member)
			}
			if after := s.state(t); after != before {
				t.Errorf("something changed:\n%s\nwas\n%s", after, before)
			}
		})
	}
	s.sums(t, h, period)
}

// withAmount puts something else in an amount's place; "" takes the member out.
func withAmount(t *testing.T, body []byte, before, bad string) []byte {
	t.Helper()
	good := before + `"777000001",`
	if bytes.Count(body, []byte(good)) != 1 {
		t.Fatalf("%s isn't once in %s", good, body)
	}
	instead := before + bad + ","
	if bad == "" {
		parts := strings.Split(before, `"`) // the last name is the member's
		instead = strings.TrimSuffix(before, `"`+parts[len(parts)-2]+`":`)
	}
	return bytes.Replace(body, []byte(good), []byte(instead), 1)
}

// namesMember sends what holds a bad amount: 400, which member it is, one event. What isn't even JSON
// any more is refused as that.
func (s *scene) namesMember(t *testing.T, h home, plain []byte, bad, member string) {
	t.Helper()
	body, code := plain, "amount"
	if proved, err := signature.Prove(plain, h.accounting, s.now().Truncate(time.Second)); err == nil {
		body = proved // some numbers can't be signed; the amount is read before the proof
	}
	if !json.Valid(plain) {
		code, member = "json.syntax", ""
	}
	mark := s.mark(t)
	got := s.send(t, h.offer(t, s.subject, body))
	if got.status != http.StatusBadRequest {
		t.Errorf("%s: status %d: %s", bad, got.status, got.body)
	}
	if named := strings.Replace(got.problem("member"), "vf:", "", 1); code == "amount" && named != member {
		t.Errorf("%s: names %q, want %q: %s", bad, named, member, got.body)
	}
	if codes := s.refusals(t, mark); !slices.Equal(codes, []string{code}) {
		t.Errorf("%s: events %v, want %s", bad, codes, code)
	}
}

func (h home) plainPayment(t *testing.T, s *subject, amount int64, claim string) []byte {
	t.Helper()
	id := originOf(h.id) + "/payments/1"
	return must[[]byte](t)(vocab.RenderPayment(vocab.Payment{ID: id, Object: id + "#payment", Actor: h.id, To: s.base + "/actor",
		Published: s.now(), Amount: amount, AssetCode: "EUR", Method: "manual", Reference: "FL-1", PaidAt: s.now(),
		Agreements:  []string{s.base + "/agreements/1"},
		Allocations: []vocab.Allocation{{Claim: claim, Amount: amount}}}))
}

func (h home) plainReceipt(t *testing.T, s *subject, amount int64) []byte {
	t.Helper()
	return must[[]byte](t)(vocab.RenderPaymentAnswer(vocab.PaymentAnswer{Content: "sha-256:" + strings.Repeat("0", 64), Received: amount, AssetCode: "EUR",
		Answer: vocab.Answer{ID: originOf(h.id) + "/receipts/1", Actor: h.id, Object: s.base + "/payments/1",
			Verdict: vocab.Accepted, Published: s.now(), To: []string{s.base + "/actor"}}}))
}

// sums: no total is beyond what an account can hold, in one claim or over many.
func (s *scene) sums(t *testing.T, h home, period string) {
	s.join(t, "carla")
	most := vocab.MaxAmount
	t.Run("sum of lines", func(t *testing.T) {
		body := h.plainClaim(t, s.subject, period, 1, line(s.subject, "carla", s.thing, 1), line(s.subject, "op", s.thing, most-1))
		body = bytes.Replace(body, []byte(`"fl:lines":[{"amount":"1"`), []byte(`"fl:lines":[{"amount":"2"`), 1)
		s.refuses(t, h.offer(t, s.subject, h.prove(t, s.subject, body)), http.StatusUnprocessableEntity, "claim.total")
		body = bytes.Replace(body, []byte(`"fl:lines":[{"amount":"2"`), []byte(fmt.Sprintf(`"fl:lines":[{"amount":"%d"`, most)), 1)
		s.refuses(t, h.offer(t, s.subject, h.prove(t, s.subject, body)), http.StatusUnprocessableEntity, "claim.total")
	})
	n := 0
	offer := func(amount int64) *http.Request {
		n++
		return h.offer(t, s.subject, h.claim(t, s.subject, period, n, line(s.subject, "op", s.thing, amount)))
	}
	over := func(amount int64) {
		s.refuses(t, offer(amount), http.StatusUnprocessableEntity, "claim.over-limit")
	}
	const stranger, anybody = 10_000_000_000, 1_000_000_000_000_000 // 10 thousand, 1000 million units
	t.Run("sum of claims", func(t *testing.T) {
		over(most)
		over(stranger + 1)
		s.takes(t, offer(stranger-1))
		over(2)
		s.takes(t, offer(1))
		over(1)
	})
	t.Run("sum of claims of a known peer", func(t *testing.T) {
		peer := must[ledger.Peer](t)(s.books.Peer(t.Context(), h.host+":"+s.out.port))
		if err := s.books.ConfirmPeerKey(t.Context(), s.operator.ID, peer.Host, peer.AccountingKey); err != nil {
			t.Fatal(err)
		}
		over(most)
		over(anybody - stranger + 1)
		s.takes(t, offer(anybody-stranger))
		over(1)
	})
	t.Run("allocations", func(t *testing.T) {
		body := h.plainPayment(t, s.subject, 10_000, "http://peer.localhost/claims/1")
		body = bytes.Replace(body, []byte(`"fl:allocations":[{"amount":"10000"`), []byte(`"fl:allocations":[{"amount":"10001"`), 1)
		s.refuses(t, h.offer(t, s.subject, h.prove(t, s.subject, body)), http.StatusUnprocessableEntity, "claim.total")
	})
}
