package vocab

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// compareDocuments compares documents by what they say, for structs that keep one.
var compareDocuments = cmp.Comparer(func(a, b Document) bool {
	return bytes.Equal(a.Raw(), b.Raw())
})

func mustDecode(t testing.TB, raw []byte) Document {
	t.Helper()
	d, err := Decode(raw)
	if err != nil {
		t.Fatalf("decode: %v in %s", err, raw)
	}
	return d
}

// golden compares rendered bytes with a file: they are what peers see, and a retried
// delivery must be the same bytes for years. The file is indented for its readers.
func golden(t *testing.T, name string, raw []byte, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	path := filepath.Join("testdata", "golden", name+".json")
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("%s changed (-want +got):\n%s", name, diff)
	}
}

// roundTrip renders, compares with the golden file, parses to the same struct, and
// renders the same bytes again.
func roundTrip[T any](t *testing.T, name string, value T, render func(T) ([]byte, error), parse func(Document) (T, error)) {
	t.Helper()
	raw, err := render(value)
	golden(t, name, raw, err)
	parsed, err := parse(mustDecode(t, raw))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if diff := cmp.Diff(value, parsed, compareDocuments); diff != "" {
		t.Errorf("%s: parsed another struct (-rendered +parsed):\n%s", name, diff)
	}
	again, err := render(parsed)
	if err != nil || !bytes.Equal(raw, again) {
		t.Errorf("%s: rendered other bytes from the parsed struct: %v", name, err)
	}
}

var noon = time.Date(2026, 11, 24, 21, 30, 0, 0, time.UTC)

const (
	alice   = "https://a.example/users/alice"
	bob     = "https://b.example/users/bob"
	carol   = "https://b.example/users/carol"
	homeA   = "https://a.example/actor"
	homeB   = "https://b.example/actor"
	button  = "https://b.example/buttons/7f3k"
	flattr1 = "https://a.example/flattrs/0193b2c4"
	claim1  = "https://a.example/claims/2026-11/b.example/EUR/1"
	claim2  = "https://a.example/claims/2026-11/b.example/EUR/2"
)

func aFlattr() Like {
	return Like{ID: flattr1, Actor: alice, Object: button, Published: noon, To: []string{bob}, Period: "2026-11"}
}

func someLines() []Line {
	shared := int64(300_000)
	return []Line{
		{Payee: bob, Amount: 400_000, Things: []LineThing{
			{Object: button, Flattrs: 3, Amount: &shared},
			{Object: "https://b.example/buttons/9x2m", Flattrs: 3},
		}},
		{Payee: carol, Split: "https://b.example/splits/1", Amount: 100_001, Things: []LineThing{
			{Object: "https://b.example/buttons/c", Flattrs: 1},
		}},
	}
}

func aClaim(t testing.TB) Claim {
	t.Helper()
	claim, err := Claim{
		ID: claim1, Actor: homeA, To: homeB,
		Agreement: Agreement{
			AttributedTo: homeA, Satisfies: "https://b.example/proposals/eur#primary",
			Period: "2026-11", AssetCode: "EUR",
		},
		Lines: someLines(),
	}.Completed()
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

func aRefusal(t testing.TB) ClaimAnswer {
	t.Helper()
	return ClaimAnswer{
		Answer: Answer{
			ID: "https://b.example/answers/2", Actor: homeB, Verdict: Refused, Object: claim1,
			Published: noon, To: []string{homeA},
		},
		Rejected: []RejectedLine{{Payee: carol, Split: "https://b.example/splits/1", Reason: Deleted}},
		Digest:   aClaim(t).Digest,
		Content:  someContent,
	}
}

// someContent is the digest of some offer or payment.
const someContent = "sha-256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func TestGoldenFlattr(t *testing.T) {
	t.Parallel()
	roundTrip(t, "like", aFlattr(), RenderLike, ParseLike)
	full := aFlattr()
	full.Payee, full.Carries, full.GiverTag = bob, "https://a.example/flattrs/0192", "k7Qx_9"
	full.Object, full.Actor = "https://wp.example/?p=1#post#post", homeA
	roundTrip(t, "like_carried", full, RenderLike, ParseLike)
}

func TestGoldenPagedClaim(t *testing.T) {
	t.Parallel()
	claim := aClaim(t)
	claim.Lines = nil
	roundTrip(t, "offer_claim_paged", claim, RenderClaim, ParseClaim)
	lines := someLines()
	SortLines(lines)
	page := LinesPage{Claim: claim1, Total: 2, Lines: lines[:1]}
	roundTrip(t, "claim_lines_page", page, RenderLinesPage, ParseLinesPage)
	page.Start, page.Lines = 1, lines[1:]
	roundTrip(t, "claim_lines_last_page", page, RenderLinesPage, ParseLinesPage)
}

func TestGoldenUndo(t *testing.T) {
	t.Parallel()
	like := aFlattr()
	undo := Undo{ID: flattr1 + "/undo", Actor: alice, Object: flattr1, Like: &like, Published: noon, To: []string{bob}}
	roundTrip(t, "undo_like", undo, RenderUndo, ParseUndo)
}

func TestGoldenFollow(t *testing.T) {
	t.Parallel()
	follow := Follow{ID: "https://m.example/9f#follows/1", Actor: "https://m.example/users/dora", Object: bob}
	roundTrip(t, "follow", follow, RenderFollow, ParseFollow)
	accept := Answer{
		ID: "https://b.example/answers/1", Actor: bob, Verdict: Accepted, Object: follow.ID, Follow: &follow,
		To: []string{follow.Actor},
	}
	roundTrip(t, "accept_follow", accept, RenderAnswer, ParseAnswer)
}

func TestGoldenAnswers(t *testing.T) {
	t.Parallel()
	answer := Answer{ID: "https://b.example/answers/3", Actor: bob, Object: flattr1, Published: noon, To: []string{alice}}
	answer.Verdict = Accepted
	roundTrip(t, "accept_like", answer, RenderAnswer, ParseAnswer)
	answer.Verdict = Held
	roundTrip(t, "tentative_accept_like", answer, RenderAnswer, ParseAnswer)
	answer.Verdict, answer.Reason = Refused, NotAccepting
	roundTrip(t, "reject_like", answer, RenderAnswer, ParseAnswer)
}

func TestTotals(t *testing.T) {
	t.Parallel()
	of := func(n int64) *int64 { return &n }
	all := Totals{ID: "https://a.example/totals/2026-11.json", AttributedTo: homeA, Published: noon, Updated: noon.Add(time.Hour),
		Period: "2026-11", AssetCode: "EUR", Sums: Sums{Givers: 5, Flattrs: of(17), Reserved: of(9_000_000), Shared: of(6_000_000),
			RolledOver: of(3_000_000), Here: of(1_000_000), Elsewhere: of(5_000_000), Offered: of(0), Accepted: of(1_500_000),
			Confirmed: of(3_000_000), Returned: of(500_000), OwedByOthers: of(2_000_000), PaidByOthers: of(0)}}
	roundTrip(t, "totals", all, RenderTotals, ParseTotals)
	few := all
	few.Sums = Sums{Givers: 2}
	roundTrip(t, "totals_few", few, RenderTotals, ParseTotals)
	for name, change := range map[string]func(*Totals){
		"parts that don't add up": func(t *Totals) { t.Sums.Here = of(1_000_001) },
		"a part alone":            func(t *Totals) { t.Sums.RolledOver = nil },
		"parts of nothing":        func(t *Totals) { t.Sums.Elsewhere = nil },
		"less than nothing":       func(t *Totals) { t.Sums.PaidByOthers = of(-1) },
		"older than itself":       func(t *Totals) { t.Updated = t.Published.Add(-time.Second) },
		"no month":                func(t *Totals) { t.Period = "2026-13" },
		"no currency":             func(t *Totals) { t.AssetCode = "euro" },
	} {
		broken := all
		change(&broken)
		if _, err := RenderTotals(broken); FaultCode(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	raw, err := RenderTotals(all)
	if err != nil {
		t.Fatal(err)
	}
	for old, new := range map[string]string{`"here":"1000000"`: `"here":"1000001"`, `"shared":"6000000"`: `"shared":6000000`,
		`"givers":5`: `"givers":-5`, `"fl:Totals"`: `"Totals"`, `"fl:sums":{"acc`: `"fl:other":{"acc`} {
		broken := bytes.Replace(raw, []byte(old), []byte(new), 1)
		if _, err := ParseTotals(mustDecode(t, broken)); bytes.Equal(broken, raw) || FaultCode(err) == "" {
			t.Errorf("%s: %v", new, err)
		}
	}
}

func TestGoldenClaim(t *testing.T) {
	t.Parallel()
	claim := aClaim(t)
	roundTrip(t, "offer_claim", claim, RenderClaim, ParseClaim)

	refusal, err := RenderClaimAnswer(aRefusal(t))
	if err != nil {
		t.Fatal(err)
	}
	successor := claim
	successor.ID, successor.Supersedes, successor.Published = claim2, claim1, noon
	successor.Refusal = mustDecode(t, refusal)
	successor.Lines = successor.Lines[:1]
	successor, err = successor.Completed()
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, "offer_claim_successor", successor, RenderClaim, ParseClaim)
}

func TestGoldenClaimAnswers(t *testing.T) {
	t.Parallel()
	final := aClaim(t).Agreement
	final.ID, final.AttributedTo = "https://b.example/agreements/5", homeB
	final.Payto = "payto://iban/DE75512108001245126199?amount=EUR:0.50&message=FL-2026-11-5"
	accept := ClaimAnswer{
		Answer: Answer{
			ID: "https://b.example/answers/4", Actor: homeB, Verdict: Accepted, Object: claim1,
			Published: noon, To: []string{homeA},
		},
		Agreement: final,
		Content:   someContent,
	}
	roundTrip(t, "accept_claim", accept, RenderClaimAnswer, ParseClaimAnswer)
	roundTrip(t, "reject_claim", aRefusal(t), RenderClaimAnswer, ParseClaimAnswer)
}

func aPayment() Payment {
	return Payment{
		ID: "https://a.example/payments/1/create", Actor: homeA, To: homeB, Published: noon,
		Object: "https://a.example/payments/1", Agreements: []string{"https://b.example/agreements/5"},
		Amount: 500_000, AssetCode: "EUR", Method: "manual", Reference: "FL-2026-11-5", PaidAt: noon,
		Allocations: []Allocation{{Claim: claim1, Amount: 500_000}},
	}
}

func TestGoldenPayment(t *testing.T) {
	t.Parallel()
	payment := aPayment()
	roundTrip(t, "create_payment", payment, RenderPayment, ParsePayment)
	answer := PaymentAnswer{
		Answer:   Answer{ID: "https://b.example/answers/6", Actor: homeB, Verdict: Accepted, Object: payment.ID, To: []string{homeA}},
		Received: 500_000, AssetCode: "EUR", Content: someContent,
	}
	roundTrip(t, "accept_payment", answer, RenderPaymentAnswer, ParsePaymentAnswer)
	answer.Verdict, answer.Reason, answer.Received, answer.AssetCode = Refused, NotReceived, 0, ""
	roundTrip(t, "reject_payment", answer, RenderPaymentAnswer, ParsePaymentAnswer)
}

func aPage() Page {
	return Page{
		ID: button, URL: "https://blog.example/post?id=7", Name: "On <bees> & flowers", Summary: "A post.",
		AttributedTo: bob, Tags: []string{"bees", "größe"}, Likes: button + "/likes", TotalLikes: 41,
		Published: noon, Updated: noon.Add(time.Hour), To: []string{Public}, CC: []string{bob + "/followers"},
	}
}

func TestGoldenPage(t *testing.T) {
	t.Parallel()
	roundTrip(t, "page", aPage(), RenderPage, ParsePage)
	raw, err := RenderCreatePage(button+"/create", aPage())
	golden(t, "create_page", raw, err)
	create, err := ParseCreate(mustDecode(t, raw))
	if err != nil {
		t.Fatal(err)
	}
	page, err := ParsePage(create.Object)
	if diff := cmp.Diff(aPage(), page); err != nil || diff != "" {
		t.Errorf("the embedded page differs: %v\n%s", err, diff)
	}
	if create.Actor != bob || create.ID != button+"/create" || !cmp.Equal(create.To, []string{Public}) {
		t.Errorf("got %+v", create)
	}
}

const pem = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----\n"

func aMember() Actor {
	return Actor{
		ID: bob, Type: "Person", PreferredUsername: "bob", Name: "Bob <3", Summary: "<p>Bees.</p>",
		URL: "https://b.example/@bob", Published: noon, Discoverable: true,
		Inbox: bob + "/inbox", Outbox: bob + "/outbox", SharedInbox: "https://b.example/inbox",
		Followers: bob + "/followers", Following: bob + "/following", Featured: bob + "/featured",
		PublicKeys:         []PublicKey{{ID: bob + "#main-key", Owner: bob, PEM: pem}},
		AssertionMethods:   []Multikey{{ID: bob + "#ed25519-key", Controller: bob, Multibase: "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"}},
		AlsoKnownAs:        []string{"https://m.example/users/bob"},
		AttributionDomains: []string{"blog.example"},
		Links: []Link{
			{Name: "Flattr me", Href: "https://b.example/@bob/flattr", Rel: []string{"payment", "me"}},
			{Name: "Flattr settlement", Href: "https://b.example/proposals/eur", MediaType: LDMediaType, Rel: []string{"payment", ProposalType}},
		},
		Implements: []Feature{
			{Href: "https://datatracker.ietf.org/doc/html/rfc9421", Name: "RFC-9421: HTTP Message Signatures"},
			{Href: V1, Name: "Flattr, version 1"},
		},
		AcceptsFlattrs: true,
	}
}

func TestGoldenActors(t *testing.T) {
	t.Parallel()
	roundTrip(t, "person", aMember(), RenderActor, ParseActor)
	instance := Actor{
		ID: homeB, Type: "Application", PreferredUsername: "b.example", Name: "b.example",
		Inbox: homeB + "/inbox", Outbox: homeB + "/outbox", SharedInbox: "https://b.example/inbox", URL: "https://b.example/",
		PublicKeys:       []PublicKey{{ID: homeB + "#main-key", Owner: homeB, PEM: pem}},
		AssertionMethods: []Multikey{{ID: homeB + "#accounting-key", Controller: homeB, Multibase: "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"}},
		Implements:       []Feature{{Href: V1, Name: "Flattr, version 1"}},
	}
	roundTrip(t, "application", instance, RenderActor, ParseActor)
	if !instance.SpeaksFlattr() || !aMember().SpeaksFlattr() || (Actor{}).SpeaksFlattr() {
		t.Error("implements decides who speaks flattr")
	}
	if links := aMember().PaymentLinks(); len(links) != 2 {
		t.Errorf("got payment links %v", links)
	}
}

func TestGoldenProposal(t *testing.T) {
	t.Parallel()
	proposal := Proposal{ID: "https://b.example/proposals/eur", AttributedTo: homeB, AssetCode: "EUR", Minimum: 10_000_000}
	roundTrip(t, "proposal", proposal, RenderProposal, ParseProposal)
	roundTrip(t, "proposal_bare", Proposal{ID: "https://b.example/proposals/sek", AttributedTo: homeB, AssetCode: "SEK"}, RenderProposal, ParseProposal)
}

func TestGoldenCollections(t *testing.T) {
	t.Parallel()
	outbox := Collection{ID: bob + "/outbox", TotalItems: 2, First: bob + "/outbox?page=1"}
	roundTrip(t, "outbox", outbox, RenderCollection, ParseCollection)
	create, err := RenderCreatePage(button+"/create", aPage())
	if err != nil {
		t.Fatal(err)
	}
	page := Collection{
		ID: bob + "/outbox?page=1", TotalItems: 2, PartOf: bob + "/outbox", Next: bob + "/outbox?page=2",
		Items: []Item{{ID: button + "/create", Object: create}},
	}
	roundTrip(t, "outbox_page", page, RenderCollection, ParseCollection)
	likes := Collection{ID: button + "/likes", TotalItems: 1, Items: []Item{{ID: flattr1}}}
	roundTrip(t, "likes", likes, RenderCollection, ParseCollection)
	hidden := Collection{ID: bob + "/followers", TotalItems: 12}
	roundTrip(t, "followers", hidden, RenderCollection, ParseCollection)
}

func TestGoldenDeletion(t *testing.T) {
	t.Parallel()
	raw, err := RenderTombstone(Tombstone{ID: bob, FormerType: "Person", Deleted: noon})
	golden(t, "tombstone", raw, err)
	del := Delete{ID: bob + "#delete", Actor: bob, Object: bob, Published: noon, To: []string{Public}}
	roundTrip(t, "delete", del, RenderDelete, ParseDelete)
}

func TestGoldenDiscovery(t *testing.T) {
	t.Parallel()
	jrd := JRD{
		Subject: "acct:bob@b.example", Aliases: []string{"https://b.example/@bob", bob},
		Links: []JRDLink{
			{Rel: RelSelf, Type: AS2MediaType, Href: bob},
			{Rel: RelProfile, Type: "text/html", Href: "https://b.example/@bob"},
			{Rel: RelFlattr, Template: "https://b.example/intents/flattr?object={object}&on-success={on-success}&on-cancel={on-cancel}"},
			{Rel: RelSubscribe, Template: "https://b.example/authorize_interaction?uri={uri}"},
		},
	}
	raw, err := RenderJRD(jrd)
	golden(t, "webfinger", raw, err)
	parsed, err := ParseJRD(raw)
	if diff := cmp.Diff(jrd, parsed); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if parsed.Self() != bob || parsed.Intent(RelSubscribe) != jrd.Links[3].Template || parsed.Intent("x") != "" {
		t.Errorf("self %q, subscribe %q", parsed.Self(), parsed.Intent(RelSubscribe))
	}

	info := NodeInfo{
		Version: "2.0", SoftwareName: "flattrd", SoftwareVersion: "0.1.0", Open: true, Users: 3, ActiveMonth: 2, ActiveHalfyear: 3,
		LocalPosts: 5, NodeName: "b.example", NodeDescription: "Bees & flowers",
	}
	raw, err = RenderNodeInfo(info)
	golden(t, "nodeinfo_20", raw, err)
	info.Version, info.Repository = "2.1", "https://code.example/flattrd"
	raw, err = RenderNodeInfo(info)
	golden(t, "nodeinfo_21", raw, err)
	read, err := ParseNodeInfo(raw)
	if err != nil || read.SoftwareName != "flattrd" || read.Repository != info.Repository || !read.Open {
		t.Errorf("%+v, %v", read, err)
	}
	links := NodeInfoLinks{V20: "https://b.example/nodeinfo/2.0", V21: "https://b.example/nodeinfo/2.1", Actor: homeB}
	raw, err = RenderNodeInfoLinks(links)
	golden(t, "nodeinfo_links", raw, err)
	if back, err := ParseNodeInfoLinks(raw); err != nil || back != links {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestGoldenProblem(t *testing.T) {
	t.Parallel()
	problem := Problem{
		Type: RedundantActivity, Title: "Redundant activity", Status: 400, Detail: "flattred already this month",
		Extra: map[string]any{"duplicate": flattr1},
	}
	raw, err := RenderProblem(problem)
	golden(t, "problem", raw, err)
	parsed, err := ParseProblem(raw)
	if diff := cmp.Diff(problem, parsed); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}
