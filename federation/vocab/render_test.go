package vocab

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What we would refuse to read, we refuse to write.
func TestRenderRefusesWhatNobodyShouldGet(t *testing.T) {
	t.Parallel()
	like := aFlattr()
	payment := aPayment()
	member := aMember()
	for name, render := range map[string]func() ([]byte, error){
		"like without month":    func() ([]byte, error) { l := like; l.Period = ""; return RenderLike(l) },
		"like of month 13":      func() ([]byte, error) { l := like; l.Period = "2026-13"; return RenderLike(l) },
		"like without id":       func() ([]byte, error) { l := like; l.ID = ""; return RenderLike(l) },
		"like without actor":    func() ([]byte, error) { l := like; l.Actor = ""; return RenderLike(l) },
		"like of nothing":       func() ([]byte, error) { l := like; l.Object = "button"; return RenderLike(l) },
		"like to a script":      func() ([]byte, error) { l := like; l.To = []string{"javascript:1"}; return RenderLike(l) },
		"like for a script":     func() ([]byte, error) { l := like; l.Payee = "javascript:1"; return RenderLike(l) },
		"undo of nothing":       func() ([]byte, error) { return RenderUndo(Undo{ID: flattr1, Actor: alice}) },
		"undo of a broken like": func() ([]byte, error) { return RenderUndo(Undo{ID: flattr1, Actor: alice, Like: &Like{}}) },
		"reject without reason": func() ([]byte, error) {
			return RenderAnswer(Answer{ID: flattr1, Actor: bob, Verdict: Refused, Object: flattr1})
		},
		"accept with reason": func() ([]byte, error) {
			return RenderAnswer(Answer{ID: flattr1, Actor: bob, Verdict: Accepted, Object: flattr1, Reason: Blocked})
		},
		"reason of two lines": func() ([]byte, error) {
			return RenderAnswer(Answer{ID: flattr1, Actor: bob, Verdict: Refused, Object: flattr1, Reason: "a\nb"})
		},
		"no verdict":             func() ([]byte, error) { return RenderAnswer(Answer{ID: flattr1, Actor: bob, Object: flattr1}) },
		"payment of nothing":     func() ([]byte, error) { p := payment; p.Amount = 0; return RenderPayment(p) },
		"negative payment":       func() ([]byte, error) { p := payment; p.Amount = -5; return RenderPayment(p) },
		"payment over-allocated": func() ([]byte, error) { p := payment; p.Amount--; return RenderPayment(p) },
		"payment by a long way":  func() ([]byte, error) { p := payment; p.Reference = strings.Repeat("x", 36); return RenderPayment(p) },
		"payment without words":  func() ([]byte, error) { p := payment; p.Reference = ""; return RenderPayment(p) },
		"payment with an umlaut": func() ([]byte, error) { p := payment; p.Reference = "für"; return RenderPayment(p) },
		"payment never":          func() ([]byte, error) { p := payment; p.PaidAt = time.Time{}; return RenderPayment(p) },
		"payment in shells":      func() ([]byte, error) { p := payment; p.AssetCode = "shells"; return RenderPayment(p) },
		"payment somehow":        func() ([]byte, error) { p := payment; p.Method = "By Hand"; return RenderPayment(p) },
		"payment of a claim twice": func() ([]byte, error) {
			p := payment
			p.Allocations = []Allocation{{claim1, 1}, {claim1, 1}}
			return RenderPayment(p)
		},
		"allocation of nothing": func() ([]byte, error) {
			p := payment
			p.Allocations = []Allocation{{claim1, 0}}
			return RenderPayment(p)
		},
		"negative allocation": func() ([]byte, error) {
			p := payment
			p.Allocations = []Allocation{{claim1, -1}}
			return RenderPayment(p)
		},
		"received nothing": func() ([]byte, error) {
			return RenderPaymentAnswer(PaymentAnswer{Answer: Answer{ID: flattr1, Actor: homeB, Verdict: Accepted, Object: flattr1}, AssetCode: "EUR"})
		},
		"payment refused for fun": func() ([]byte, error) {
			return RenderPaymentAnswer(PaymentAnswer{Answer: Answer{ID: flattr1, Actor: homeB, Verdict: Refused, Object: flattr1, Reason: Blocked}})
		},
		"two keys": func() ([]byte, error) {
			m := member
			m.PublicKeys = append(m.PublicKeys, m.PublicKeys...)
			return RenderActor(m)
		},
		"no key":           func() ([]byte, error) { m := member; m.PublicKeys = nil; return RenderActor(m) },
		"a bot":            func() ([]byte, error) { m := member; m.Type = "Service"; return RenderActor(m) },
		"nobody":           func() ([]byte, error) { m := member; m.PreferredUsername = ""; return RenderActor(m) },
		"no outbox":        func() ([]byte, error) { m := member; m.Outbox = ""; return RenderActor(m) },
		"a huge summary":   func() ([]byte, error) { m := member; m.Summary = strings.Repeat("x", MaxSent); return RenderActor(m) },
		"page without URL": func() ([]byte, error) { p := aPage(); p.URL = ""; return RenderPage(p) },
		"page of nobody":   func() ([]byte, error) { p := aPage(); p.AttributedTo = ""; return RenderPage(p) },
		"proposal of little": func() ([]byte, error) {
			return RenderProposal(Proposal{ID: button, AttributedTo: homeB, AssetCode: "EUR", Minimum: -1})
		},
		"proposal of shells": func() ([]byte, error) {
			return RenderProposal(Proposal{ID: button, AttributedTo: homeB, AssetCode: "E"})
		},
		"proposal of nobody":  func() ([]byte, error) { return RenderProposal(Proposal{ID: button, AssetCode: "EUR"}) },
		"collection of words": func() ([]byte, error) { return RenderCollection(Collection{ID: button, Items: []Item{{ID: "word"}}}) },
		"webfinger of nobody": func() ([]byte, error) { return RenderJRD(JRD{}) },
		"nodeinfo 3":          func() ([]byte, error) { return RenderNodeInfo(NodeInfo{Version: "3.0"}) },
	} {
		raw, err := render()
		var fault *Fault
		if !errors.As(err, &fault) || fault.Code == "" || fault.Rule == "" {
			t.Errorf("%s: got %v, rendered %s", name, err, raw)
		}
	}
}

func TestEverythingWeSendFitsMisskey(t *testing.T) {
	t.Parallel()
	member := aMember()
	member.Summary = ""
	raw, err := RenderActor(member)
	if err != nil {
		t.Fatal(err)
	}
	// `,"summary":""` is what the summary adds to itself.
	member.Summary = strings.Repeat("x", MaxSent-len(raw)-len(`,"summary":""`))
	if raw, err = RenderActor(member); err != nil || len(raw) != MaxSent {
		t.Errorf("at the limit: %d bytes, %v", len(raw), err)
	}
	member.Summary += "x"
	if _, err = RenderActor(member); FaultCode(err) != CodeSize {
		t.Errorf("beyond the limit: %v", err)
	}
}

func TestParsersNameTheirType(t *testing.T) {
	t.Parallel()
	d := mustDecode(t, []byte(`{"type":"Note","id":"https://a.example/1"}`))
	for name, parse := range map[string]func() error{
		"like":     func() error { _, err := ParseLike(d); return err },
		"undo":     func() error { _, err := ParseUndo(d); return err },
		"follow":   func() error { _, err := ParseFollow(d); return err },
		"answer":   func() error { _, err := ParseAnswer(d); return err },
		"create":   func() error { _, err := ParseCreate(d); return err },
		"delete":   func() error { _, err := ParseDelete(d); return err },
		"actor":    func() error { _, err := ParseActor(d); return err },
		"claim":    func() error { _, err := ParseClaim(d); return err },
		"verdict":  func() error { _, err := ParseClaimAnswer(d); return err },
		"payment":  func() error { _, err := ParsePayment(d); return err },
		"receipt":  func() error { _, err := ParsePaymentAnswer(d); return err },
		"proposal": func() error { _, err := ParseProposal(d); return err },
		"outbox":   func() error { _, err := ParseCollection(d); return err },
	} {
		if err := parse(); FaultCode(err) != CodeType {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPaymentsAgainstThemselves(t *testing.T) {
	t.Parallel()
	raw, err := RenderPayment(aPayment())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, code string }{
		"amount as number":   {`"fl:amount":"500000"`, `"fl:amount":500000`, CodeAmount},
		"allocated too much": {`"amount":"500000"`, `"amount":"500001"`, CodeTotal},
		"no allocations":     {`"fl:allocations":[`, `"fl:other":[`, CodeMissing},
		"claim as object":    {`"claim":"https://a.example/claims/2026-11/b.example/EUR/1"`, `"claim":{"id":"https://a.example/c"}`, CodeKind},
		"another scale":      {`"fl:assetScale":6`, `"fl:assetScale":2`, CodeScale},
		"a long reference":   {`FL-2026-11-5`, strings.Repeat("x", 36), CodeValue},
		"never paid":         {`"fl:paidAt":"2026-11-24T21:30:00Z"`, `"fl:paidAt":"soon"`, CodeValue},
		"another type":       {`"fl:Payment"`, `"Payment"`, CodeType},
	} {
		broken := strings.Replace(string(raw), c.old, c.new, 1)
		if _, err := ParsePayment(mustDecode(t, []byte(broken))); broken == string(raw) || FaultCode(err) != c.code {
			t.Errorf("%s: got %v (%s), want %s", name, err, FaultCode(err), c.code)
		}
	}
}

func TestProblemsOfFaults(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]struct {
		status int
		kind   string
	}{
		CodeSize: {413, MalformedDocument}, CodeType: {400, UnsupportedType}, CodeAmount: {400, MalformedDocument},
		CodeDigest: {422, DigestMismatch}, CodeTotal: {422, TotalMismatch}, CodeCount: {422, TotalMismatch},
		CodeCurrency: {422, UnknownCurrency}, CodePeriod: {422, PeriodNotSettled}, CodeDuplicate: {400, MalformedDocument},
	} {
		p := ProblemOf(&Fault{Code: code, Path: "/x", Rule: "this"})
		if p.Status != want.status || p.Type != want.kind || p.Detail != "/x: this" || p.Extra["member"] != "/x" || p.Title == "" {
			t.Errorf("%s: got %+v", code, p)
		}
	}
	if p := ProblemOf(errors.New("secret")); p.Status != 500 || p.Detail != "" || p.Type != "" {
		t.Errorf("other errors are nobody's business: %+v", p)
	}
}

func TestMediaTypesOfActivityStreams(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]bool{
		"application/activity+json":                true,
		"application/activity+json; charset=utf-8": true,
		"Application/Activity+JSON":                true,
		LDMediaType:                                true,
		LDMediaType + "; charset=utf-8":            true,
		`application/ld+json; profile="https://x.example https://www.w3.org/ns/activitystreams"`: true,
		"application/ld+json": false,
		`application/ld+json; profile="https://www.w3.org/ns/activitystreams#"`: false,
		"application/json":                     false,
		"text/html":                            false,
		"text/html, application/activity+json": false,
		"":                                     false,
	} {
		if got := IsAS2(contentType); got != want {
			t.Errorf("%q: got %v", contentType, got)
		}
	}
}

func TestIntentsInBothSpellings(t *testing.T) {
	t.Parallel()
	jrd, err := ParseJRD([]byte(`{"subject":"acct:x@x.example","links":[
		{"rel":"https://w3id.org/fep/3b86/Like","href":"https://x.example/like?o={object}"},
		{"rel":"https://w3id.org/fep/3b86/Object","template":"https://x.example/o?o={object}"},
		{"rel":"self","type":"text/html","href":"https://x.example/wrong"},
		{"rel":"self","type":"application/activity+json","href":"https://x.example/right"},
		{"href":"https://x.example/norel"},5,{"rel":7}]}`))
	if err != nil || jrd.Self() != "https://x.example/right" || len(jrd.Links) != 4 {
		t.Fatalf("%+v, %v", jrd, err)
	}
	if jrd.Intent(RelLike) != "https://x.example/like?o={object}" || jrd.Intent(RelObject) != "https://x.example/o?o={object}" {
		t.Errorf("got %q and %q", jrd.Intent(RelLike), jrd.Intent(RelObject))
	}
}
