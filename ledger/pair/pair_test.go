package pair_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// What the simulation doesn't pin: which fault a message has, and what is said of it.

const (
	april = "https://a.example/claims/2026-04/b.example/"
	ann   = "https://b.example/users/ann"
	bob   = "https://b.example/users/bob"
)

var (
	lines = []pair.Line{{Payee: ann, Amount: 30_000}, {Payee: bob, Amount: 20_000}}
	terms = pair.Terms{Open: "2026-05", Since: "2026-01", Room: 1_000_000}
	peer  = pair.Peer{Host: "a.example"}
	held  = pair.Peer{Host: "a.example", Held: true}
)

func offer(change func(*pair.Offer)) pair.Offer {
	o := pair.Offer{IRI: april + "2", Period: "2026-04", N: 2, Amount: 50_000, LineCount: 2, Digest: "d", LineDigest: "d",
		Content: "c", Lines: lines}
	change(&o)
	return o
}

func same(*pair.Offer) {}

func takesAll([]pair.Line) []pair.Refusal { return nil }

// verdict is a decision in one line.
func verdict(d pair.Decision) string {
	switch {
	case d.Fault != nil:
		return d.Fault.Error()
	case d.Conflict != "":
		return "conflict: " + d.Conflict + frozen(d.Freeze)
	}
	var said []string
	for _, c := range d.Claims {
		said = append(said, fmt.Sprintf("%s %s", strings.TrimPrefix(c.IRI, april), c.State))
	}
	for _, y := range d.Payments {
		said = append(said, fmt.Sprintf("%s %d/%d", y.State, y.Received, y.Amount))
	}
	for _, p := range d.Post {
		said = append(said, fmt.Sprintf("%s %d", p.Kind, p.Amount))
	}
	for _, m := range d.Tell {
		said = append(said, "tell "+m.What)
	}
	return strings.Join(said, ", ") + frozen(d.Freeze)
}

func frozen(reason string) string {
	if reason == "" {
		return ""
	}
	return " (freezes)"
}

func check(t *testing.T, name string, d pair.Decision, want string) {
	t.Helper()
	if got := verdict(d); got != want {
		t.Errorf("%s:\n got %s\nwant %s", name, got, want)
	}
}

func TestOfferFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		peer   pair.Peer
		change func(*pair.Offer)
		want   string
	}{
		{"good", peer, same, "2 accepted, announce 50000, tell claim-answer"},
		{"held", held, same, "reconciling: statements are compared first; ask again later"},
		{"frozen", pair.Peer{Frozen: "lies"}, same, "frozen: lies"},
		{"open month", peer, func(o *pair.Offer) { o.Period = "2026-05" }, "period-not-closed: 2026-05 isn't over here"},
		{"too early", peer, func(o *pair.Offer) { o.Period = "2025-12" }, "period-unknown: 2025-12 was before this instance"},
		{"too much", peer, func(o *pair.Offer) { o.Amount = 1_000_001 },
			"over-limit: more than this instance takes from you before operators have compared keys"},
		{"count", peer, func(o *pair.Offer) { o.LineCount = 3 }, "malformed: 2 lines of 3"},
		{"total", peer, func(o *pair.Offer) { o.Amount++ }, "total-mismatch: lines add up to 50000"},
		{"digest", peer, func(o *pair.Offer) { o.LineDigest = "e" }, "digest-mismatch: lines have e"},
		{"zero", peer, func(o *pair.Offer) { o.Lines = []pair.Line{{Payee: ann}} }, "total-mismatch: a line's amount is out of range"},
		{"overflow", peer, func(o *pair.Offer) {
			o.Lines = []pair.Line{{Payee: ann, Amount: 999_999_999_999_999_999}, {Payee: bob, Amount: 1}}
		}, "total-mismatch: a line's amount is out of range"},
		{"twice", peer, func(o *pair.Offer) { o.Lines = []pair.Line{lines[0], lines[0]} }, "malformed: payee twice: " + ann},
		{"order", peer, func(o *pair.Offer) { o.Lines = []pair.Line{lines[1], lines[0]} }, "malformed: lines aren't sorted by payee"},
		{"unseen predecessor", peer, func(o *pair.Offer) { o.Supersedes = april + "1" },
			"1 superseded, 2 accepted, announce 50000, tell claim-answer"},
		{"later predecessor", peer, func(o *pair.Offer) { o.Supersedes = april + "3" }, "malformed: supersedes names no earlier claim"},
		{"another's predecessor", peer, func(o *pair.Offer) { o.Supersedes = "https://c.example/claims/2026-04/b.example/1" },
			"malformed: supersedes names no earlier claim"},
	} {
		check(t, c.name, pair.TakeOffer(c.peer, terms, pair.Known{}, offer(c.change), takesAll), c.want)
	}
}

func TestOfferKnown(t *testing.T) {
	t.Parallel()
	accepted := pair.Claim{Row: 1, IRI: april + "2", Incoming: true, Period: "2026-04", Content: "c", Digest: "d", State: pair.Accepted, Answer: pair.Accept}
	tombstone := pair.Claim{Row: 1, IRI: april + "2", Incoming: true, State: pair.Superseded}
	first := accepted
	first.IRI = april + "1"
	other := func(o *pair.Offer) { o.Content = "other" }
	next := func(o *pair.Offer) { o.Supersedes = april + "1" }
	for _, c := range []struct {
		name   string
		known  pair.Known
		change func(*pair.Offer)
		want   string
	}{
		{"again", pair.Known{Claim: &accepted}, same, "tell claim-answer"},
		{"other content", pair.Known{Claim: &accepted}, other, "conflict: " + april + "2 is known with other content: d (freezes)"},
		{"tombstone", pair.Known{Claim: &tombstone}, same, ""},
		{"accepted predecessor", pair.Known{Superseded: &first}, next, "conflict: " + april + "1 was accepted"},
	} {
		check(t, c.name, pair.TakeOffer(held, terms, c.known, offer(c.change), takesAll), map[bool]string{true: c.want,
			false: "reconciling: statements are compared first; ask again later"}[c.known.Claim != nil])
		check(t, c.name, pair.TakeOffer(peer, terms, c.known, offer(c.change), takesAll), c.want)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	ours := pair.Claim{Row: 1, IRI: april + "1", Period: "2026-04", N: 1, Amount: 50_000, State: pair.Offered, Lines: lines}
	next := func() (int32, string) { return 2, april + "2" }
	no := func(payees ...string) pair.Answer {
		a := pair.Answer{Claim: ours.IRI}
		for _, p := range payees {
			a.Refusals = append(a.Refusals, pair.Refusal{Payee: p, Reason: "deleted"})
		}
		return a
	}
	yes := pair.Answer{Claim: ours.IRI, Accepted: true}
	accepted, adopted := ours, ours
	accepted.State, accepted.Answer = pair.Accepted, pair.Accept
	adopted.Adopted = true
	for _, c := range []struct {
		name   string
		peer   pair.Peer
		claim  pair.Claim
		answer pair.Answer
		want   string
	}{
		{"yes", held, ours, yes, "1 accepted"},
		{"yes again", peer, accepted, yes, ""},
		{"no after yes", peer, accepted, no(ann), "conflict: a second answer to " + april + "1 differs from the first (freezes)"},
		{"one line", peer, ours, no(ann), "1 superseded, 2 offered, give-back 30000, tell claim"},
		{"one line, held", held, ours, no(ann), "1 refused, give-back 30000"},
		{"one line of what came back", peer, adopted, no(ann), "1 superseded, 2 offered, recover 30000, tell claim"},
		{"all lines", peer, ours, no(ann, bob), "1 refused, give-back 50000"},
		{"no line", peer, ours, no(), "malformed: rejected lines must name payees of the claim, each once"},
		{"a line twice", peer, ours, no(ann, ann), "malformed: rejected lines must name payees of the claim, each once"},
		{"another's line", peer, ours, no(ann, "x"), "malformed: rejected lines must name payees of the claim, each once"},
		{"no offer", peer, pair.Claim{State: pair.Draft}, yes, "malformed: no offer of ours: " + april + "1"},
	} {
		check(t, c.name, pair.TakeAnswer(c.peer, c.claim, next, c.answer), c.want)
	}
}

func TestPayments(t *testing.T) {
	t.Parallel()
	claims := func(iri string) *pair.Claim {
		return map[string]*pair.Claim{
			"in": {IRI: "in", Incoming: true, Amount: 50_000, State: pair.Accepted}, "out": {IRI: "out", Amount: 50_000, State: pair.Accepted},
			"refused": {IRI: "refused", Incoming: true, Amount: 50_000, State: pair.Refused}}[iri]
	}
	notice := func(amount int64, a ...pair.Allocation) pair.Payment {
		return pair.Payment{IRI: "y", Incoming: true, Method: "bank", Amount: amount, Content: "c", Allocations: a}
	}
	of := func(claim string, amount int64) pair.Allocation {
		return pair.Allocation{Claim: claim, Incoming: claim != "out", Amount: amount}
	}
	netted := notice(50_000, of("in", 50_000), of("out", 50_000))
	netted.Method = pair.Netting
	for _, c := range []struct {
		name string
		peer pair.Peer
		n    pair.Payment
		want string
	}{
		{"good", peer, notice(50_000, of("in", 50_000)), "announced 0/50000"},
		{"held", held, notice(50_000, of("in", 50_000)), "reconciling: statements are compared first; ask again later"},
		{"frozen", pair.Peer{Frozen: "lies"}, notice(50_000, of("in", 50_000)), "frozen: lies"},
		{"too much", peer, notice(60_000, of("in", 60_000)), "total-mismatch: more than is open of in"},
		{"too little allocated", peer, notice(50_000, of("in", 40_000)), "total-mismatch: allocations don't add up to the amount"},
		{"too much allocated", peer, notice(30_000, of("in", 40_000)), "total-mismatch: allocations don't add up to the amount"},
		{"twice", peer, notice(20_000, of("in", 10_000), of("in", 10_000)), "unknown-claim: in"},
		{"unknown", peer, notice(20_000, of("other", 20_000)), "unknown-claim: other"},
		{"our own", peer, notice(20_000, of("out", 20_000)), "unknown-claim: out"},
		{"refused", peer, notice(20_000, of("refused", 20_000)), "unknown-claim: refused"},
		{"a netting by who sorts higher", pair.Peer{Host: "c.example"}, netted, "malformed: the host that sorts lower proposes nettings"},
	} {
		check(t, c.name, pair.TakeNotice(c.peer, "b.example", nil, claims, c.n), c.want)
	}
	sent := pair.Payment{Row: 1, IRI: "y", Method: "bank", Amount: 50_000, State: pair.Sent, Allocations: []pair.Allocation{of("out", 50_000)}}
	netting := sent
	netting.Method = pair.Netting
	paid := sent
	paid.State, paid.Received = pair.Paid, 50_000
	for _, c := range []struct {
		name     string
		y        pair.Payment
		received int64
		want     string
	}{
		{"all", sent, 50_000, "out confirmed, confirmed 50000/50000, settle 50000"},
		{"short", sent, 20_000, "out accepted, confirmed 20000/50000, settle 20000"},
		{"too much", sent, 70_000, "out confirmed, confirmed 70000/50000, settle 50000"},
		{"nothing", sent, 0, "not_received 0/50000, void 50000"},
		{"again", paid, 50_000, ""},
		{"otherwise", paid, 40_000, "conflict: payment y is confirmed (freezes)"},
		{"half a netting", netting, 20_000, "malformed: a netting is accepted as a whole"},
	} {
		check(t, c.name, pair.TakeReceipt(c.y, claims, c.received), c.want)
	}
	ordered := sent
	ordered.State = pair.Ordered
	check(t, "cancelled", pair.Cancel(ordered), "cancelled 0/50000, void 50000")
	check(t, "cancelled too late", pair.Cancel(sent), "conflict: the payment is sent")
	check(t, "sent while held", pair.Send(held, ordered), "reconciling: statements are compared first; ask again later")
}

func TestSequences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sequence, seen int64
		fault          bool
		restored       bool
	}{{1, 5, false, false}, {1, 6, false, true}, {0, 1, true, false}, {1, -1, true, false}, {1 << 53, 1, true, false},
		{1, 1 << 53, true, false}, {1<<53 - 1, 1<<53 - 1, false, true}} {
		before := pair.Standing{Sent: 5}
		got := pair.Compare(before, nil, 0, pair.Statement{Sequence: c.sequence, Seen: c.seen})
		if (got.Fault != nil) != c.fault || got.Restored != c.restored || got.Standing.Held != c.restored {
			t.Errorf("%+v: %+v", c, got)
		}
		if c.fault && got.Standing != before {
			t.Errorf("%+v changes %+v", c, got.Standing)
		}
	}
}
