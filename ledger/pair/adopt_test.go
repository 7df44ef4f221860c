package pair_test

import (
	"testing"

	"github.com/fedflattr/flattrd/ledger/pair"
)

func TestAdoptOffer(t *testing.T) {
	t.Parallel()
	next := func() (int32, string) { return 3, april + "3" }
	refusal := pair.Answer{Refusals: []pair.Refusal{{Payee: ann, Reason: "deleted"}}}
	known := pair.Claim{Row: 1, IRI: april + "2", Content: "c", State: pair.Offered, Lines: lines}
	other := known
	other.Content = "other"
	refused := pair.Claim{Row: 2, IRI: april + "1", State: pair.Refused, Answer: pair.Reject, Refusals: refusal.Refusals,
		Lines: append([]pair.Line{{Payee: ann, Amount: 30_000}}, pair.Line{Payee: bob, Amount: 50_000})}
	superseded, waiting := refused, refused
	superseded.State, waiting.Answer = pair.Superseded, ""
	successor := func(o *pair.Offer) {
		o.Supersedes, o.Lines, o.LineCount = april+"1", []pair.Line{{Payee: bob, Amount: 50_000}}, 1
	}
	for _, c := range []struct {
		name   string
		known  pair.Known
		change func(*pair.Offer)
		answer *pair.Answer
		want   string
	}{
		{"lost", pair.Known{}, same, nil, "2 offered, adopt 50000"},
		{"lost and refused", pair.Known{}, same, &refusal, "2 refused, adopt 50000, recover 30000"},
		{"lost and accepted", pair.Known{}, same, &pair.Answer{Accepted: true}, "2 accepted, adopt 50000"},
		{"known", pair.Known{Claim: &known}, same, nil, ""},
		{"other content", pair.Known{Claim: &other}, same, nil, "conflict: we have signed two contents of " + april + "2 (freezes)"},
		{"successor", pair.Known{Superseded: &refused}, successor, nil, "1 superseded, 2 offered"},
		{"successor first", pair.Known{}, successor, nil, "reconciling: its predecessor and the refusal come first"},
		{"refusal missing", pair.Known{Superseded: &waiting}, successor, nil, "reconciling: its predecessor and the refusal come first"},
		{"second successor", pair.Known{Superseded: &superseded}, successor, &refusal,
			"conflict: we have signed two successors of " + april + "1 (freezes)"},
	} {
		check(t, c.name, pair.AdoptOffer(peer, c.known, offer(c.change), c.answer, next), c.want)
	}
	stuck := held
	stuck.Stuck = true
	lost := "conflict: " + april + "2 came back, and nobody has the claim that it replaces, with its refusal (freezes)"
	check(t, "successor alone for long", pair.AdoptOffer(stuck, pair.Known{}, offer(successor), nil, next), lost)
	check(t, "refusal missing for long", pair.AdoptOffer(stuck, pair.Known{Superseded: &waiting}, offer(successor), nil, next), lost)
}

func TestAdoptAnswer(t *testing.T) {
	t.Parallel()
	tombstone := pair.Known{Claim: &pair.Claim{Row: 1, IRI: april + "2", Incoming: true, State: pair.Superseded}}
	yes := pair.Answer{Accepted: true}
	no := pair.Answer{Refusals: []pair.Refusal{{Payee: ann, Reason: "deleted"}}}
	check(t, "lost yes", pair.AdoptAnswer(pair.Known{}, offer(same), yes), "2 accepted, announce 50000")
	check(t, "lost no", pair.AdoptAnswer(pair.Known{}, offer(same), no), "2 refused")
	check(t, "tombstone", pair.AdoptAnswer(tombstone, offer(same), no), "2 superseded")
	check(t, "accepted, and so was its successor", pair.AdoptAnswer(tombstone, offer(same), yes),
		"conflict: "+april+"2 was accepted, and so was its successor (freezes)")
}

func TestAdoptPayment(t *testing.T) {
	t.Parallel()
	stuck := held
	stuck.Stuck = true
	y := pair.Payment{IRI: "y", Method: "bank", Amount: 50_000, Content: "c", Allocations: []pair.Allocation{{Claim: "out", Amount: 50_000}}}
	ordered, cancelled := y, y
	ordered.Row, ordered.State = 1, pair.Ordered
	cancelled.State, cancelled.Content = pair.Cancelled, ""
	nothing, short, all := int64(0), int64(20_000), int64(50_000)
	for _, c := range []struct {
		name     string
		peer     pair.Peer
		known    *pair.Payment
		covered  int64 // of the claim, by other payments
		received *int64
		want     string
	}{
		{"lost", held, nil, 0, nil, "sent 0/50000, reserve 50000"},
		{"lost, all arrived", held, nil, 0, &all, "out confirmed, confirmed 50000/50000, reserve 50000, settle 50000"},
		{"lost, less arrived", held, nil, 30_000, &short, "out accepted, confirmed 20000/50000, reserve 20000, settle 20000"},
		{"lost, nothing arrived", held, nil, 50_000, &nothing, "not_received 0/50000"},
		{"ordered", held, &ordered, 50_000, nil, "sent 0/50000"},
		{"cancelled", held, &cancelled, 0, nil, "conflict: we have signed two contents of y (freezes)"},
		{"no room", held, nil, 50_000, &all, "reconciling: what it pays must become open again: more than is open of out"},
		{"no room for long", stuck, nil, 50_000, &all,
			"conflict: y came back, and another pays the same: more than is open of out (freezes)"},
	} {
		claims := func(iri string) *pair.Claim {
			return &pair.Claim{IRI: iri, Amount: 50_000, State: pair.Accepted, Allocated: c.covered}
		}
		check(t, c.name, pair.AdoptPayment(c.peer, c.known, claims, y, c.received), c.want)
	}
	check(t, "claims first", pair.AdoptPayment(held, nil, func(string) *pair.Claim { return nil }, y, nil),
		"reconciling: its claims come first: out")
}

func TestRelease(t *testing.T) {
	t.Parallel()
	draft := func(period string) pair.Claim {
		return pair.Claim{Row: 7, Period: period, Amount: 5, State: pair.Draft}
	}
	back := pair.Claim{IRI: april + "1", Period: "2026-04", State: pair.Accepted, Adopted: true}
	left := pair.Claim{IRI: april + "5", Period: "2026-04", N: 5, State: pair.Refused, Answer: pair.Reject, Lines: lines,
		Refusals: []pair.Refusal{{Payee: ann, Reason: "deleted"}}}
	n := int32(0)
	d := pair.Release([]pair.Claim{draft("2026-04"), draft("2026-05")}, []pair.Claim{back}, []pair.Claim{left},
		func(period string) (int32, string) { n++; return n, april + period })
	check(t, "release", d, " replaced, 2026-05 offered, 5 superseded, 2026-04 offered, recover 5, tell claim, tell claim")
	if d.Post[0].Row != 7 {
		t.Errorf("%+v", d.Post)
	}
}
