package vocab

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func renderedClaim(t testing.TB) string {
	t.Helper()
	raw, err := RenderClaim(aClaim(t))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Everything in a claim that isn't what its sender's own totals say is a fault with
// a name: nothing is stored, and the same id may come again, corrected.
func TestClaimsAgainstThemselves(t *testing.T) {
	t.Parallel()
	raw := renderedClaim(t)
	for name, c := range map[string]struct{ old, new, code, path string }{
		"a line's amount":      {`"amount":"400000"`, `"amount":"400001"`, CodeTotal, "/object"},
		"the total":            {`"hasNumericalValue":"500001"`, `"hasNumericalValue":"500002"`, CodeTotal, "/object"},
		"a payee":              {`users/carol`, `users/caroline`, CodeDigest, "/object/fl:digest"},
		"a flattr count":       {`"flattrs":1`, `"flattrs":2`, CodeDigest, "/object/fl:digest"},
		"a thing":              {`buttons/9x2m`, `buttons/9x2n`, CodeDigest, "/object/fl:digest"},
		"a split":              {`splits/1`, `splits/2`, CodeDigest, "/object/fl:digest"},
		"a thing's amount":     {`"amount":"300000"`, `"amount":"300001"`, CodeDigest, "/object/fl:digest"},
		"the digest":           {`"fl:digest":"sha-256:`, `"fl:digest":"sha-256:0`, CodeValue, "/object/fl:digest"},
		"the digest's method":  {`sha-256:`, `sha-512:`, CodeValue, "/object/fl:digest"},
		"the count":            {`"fl:lineCount":2`, `"fl:lineCount":3`, CodeCount, "/object/fl:lineCount"},
		"no count":             {`"fl:lineCount":2,`, ``, CodeCount, "/object/fl:lineCount"},
		"the scale":            {`"fl:assetScale":6`, `"fl:assetScale":2`, CodeScale, "/object/fl:assetScale"},
		"no scale":             {`"fl:assetScale":6,`, ``, CodeScale, "/object/fl:assetScale"},
		"scale as string":      {`"fl:assetScale":6`, `"fl:assetScale":"6"`, CodeKind, "/object/fl:assetScale"},
		"small currency":       {`"fl:assetCode":"EUR"`, `"fl:assetCode":"eur"`, CodeCurrency, "/object/fl:assetCode"},
		"short currency":       {`"fl:assetCode":"EUR"`, `"fl:assetCode":"EU"`, CodeCurrency, "/object/fl:assetCode"},
		"no currency":          {`"fl:assetCode":"EUR",`, ``, CodeMissing, "/object/fl:assetCode"},
		"month 13":             {`"fl:period":"2026-11"`, `"fl:period":"2026-13"`, CodePeriod, "/object/fl:period"},
		"short month":          {`"fl:period":"2026-11"`, `"fl:period":"2026-1"`, CodePeriod, "/object/fl:period"},
		"no month":             {`"fl:period":"2026-11",`, ``, CodeMissing, "/object/fl:period"},
		"another unit":         {`"hasUnit":"one"`, `"hasUnit":"kilogram"`, CodeValue, "/object/stipulates/resourceQuantity/hasUnit"},
		"nothing at all":       {`"hasNumericalValue":"500001"`, `"hasNumericalValue":"0"`, CodeAmount, "/object/stipulates/resourceQuantity/hasNumericalValue"},
		"total as number":      {`"hasNumericalValue":"500001"`, `"hasNumericalValue":500001`, CodeAmount, "/object/stipulates/resourceQuantity/hasNumericalValue"},
		"amount as number":     {`"amount":"400000"`, `"amount":400000`, CodeAmount, "/object/fl:lines/0/amount"},
		"amount of nothing":    {`"amount":"400000"`, `"amount":"0"`, CodeAmount, "/object/fl:lines/0/amount"},
		"no amount":            {`"amount":"100001",`, ``, CodeAmount, "/object/fl:lines/1/amount"},
		"part above its line":  {`"amount":"300000"`, `"amount":"400001"`, CodeAmount, "/object/fl:lines/0/things/0/amount"},
		"same payee twice":     {`"payee":"https://b.example/users/carol","split":"https://b.example/splits/1"`, `"payee":"https://b.example/users/bob"`, CodeOrder, "/object/fl:lines/1"},
		"lines out of order":   {`"payee":"https://b.example/users/carol"`, `"payee":"https://b.example/users/aa"`, CodeOrder, "/object/fl:lines/1"},
		"same thing twice":     {`buttons/9x2m`, `buttons/7f3k`, CodeOrder, "/object/fl:lines/0/things/1"},
		"no flattrs":           {`"flattrs":1`, `"flattrs":0`, CodeValue, "/object/fl:lines/1/things/0/flattrs"},
		"flattrs as string":    {`"flattrs":1`, `"flattrs":"1"`, CodeKind, "/object/fl:lines/1/things/0/flattrs"},
		"payee as object":      {`"payee":"https://b.example/users/carol"`, `"payee":{"id":"https://b.example/users/carol"}`, CodeKind, "/object/fl:lines/1/payee"},
		"payee as list":        {`"payee":"https://b.example/users/carol"`, `"payee":["https://b.example/users/carol"]`, CodeKind, "/object/fl:lines/1/payee"},
		"no things":            {`"things":[{"flattrs":1,"object":"https://b.example/buttons/c"}]`, `"things":[]`, CodeMissing, "/object/fl:lines/1/things"},
		"things as object":     {`"things":[{"flattrs":1,"object":"https://b.example/buttons/c"}]`, `"things":{}`, CodeKind, "/object/fl:lines/1/things"},
		"lines elsewhere":      {`"fl:lines":[`, `"fl:lines":"https://a.example/lines","x":[`, CodeValue, "/object/fl:lines"},
		"two totals":           {`"type":"Commitment"`, `"type":"Commitment","vf:resourceQuantity":{"hasUnit":"one","hasNumericalValue":"1"}`, CodeAmbiguous, "/object/stipulates"},
		"successor of nothing": {`"fl:supersedes":null`, `"fl:supersedes":"https://a.example/claims/0"`, CodeSuccessor, "/object/fl:supersedes"},
		"refusal of nothing":   {`"fl:supersedes":null`, `"fl:supersedes":null,"fl:refusal":{"type":"Reject"}`, CodeSuccessor, "/object/fl:supersedes"},
		"no proposal":          {`"satisfies":"https://b.example/proposals/eur#primary",`, ``, CodeMissing, "/object/stipulates/vf:satisfies"},
		"no agreement":         {`"type":"Agreement"`, `"type":"Note"`, CodeType, "/object/type"},
		"no offer":             {`"type":"Offer"`, `"type":"Like"`, CodeType, "/type"},
		"two recipients":       {`"to":["https://b.example/actor"]`, `"to":["https://b.example/actor","https://c.example/actor"]`, CodeKind, "/to"},
		"two actors":           {`"actor":"https://a.example/actor"`, `"actor":["https://a.example/actor","https://c.example/actor"]`, CodeKind, "/actor"},
	} {
		broken := strings.Replace(raw, c.old, c.new, 1)
		if broken == raw {
			t.Errorf("%s: the claim has no %s", name, c.old)
			continue
		}
		_, err := ParseClaim(mustDecode(t, []byte(broken)))
		if FaultCode(err) != c.code || !strings.HasPrefix(err.Error(), c.path) {
			t.Errorf("%s: got %v (%s), want %s at %s", name, err, FaultCode(err), c.code, c.path)
		}
	}
}

func TestSuccessorsHoldTheRefusalTheyAnswer(t *testing.T) {
	t.Parallel()
	successor := aClaim(t)
	successor.ID, successor.Supersedes = claim2, claim1
	for name, c := range map[string]struct {
		change func(*ClaimAnswer)
		code   string
	}{
		"the refusal":         {func(*ClaimAnswer) {}, ""},
		"of another claim":    {func(a *ClaimAnswer) { a.Object = claim2 }, CodeSuccessor},
		"without any line":    {func(a *ClaimAnswer) { a.Rejected = nil }, CodeMissing},
		"for a foreign cause": {func(a *ClaimAnswer) { a.Rejected[0].Reason = UnknownThing }, CodeValue},
	} {
		refusal := aRefusal(t)
		c.change(&refusal)
		raw, err := RenderClaimAnswer(refusal)
		if err == nil {
			successor.Refusal = mustDecode(t, raw)
			_, err = RenderClaim(successor)
		}
		if FaultCode(err) != c.code {
			t.Errorf("%s: got %v, want %q", name, err, c.code)
		}
	}
	own := aRefusal(t)
	own.Object = claim2
	raw, err := RenderClaimAnswer(own)
	if err != nil {
		t.Fatal(err)
	}
	successor.Supersedes, successor.Refusal = claim2, mustDecode(t, raw)
	if _, err := RenderClaim(successor); FaultCode(err) != CodeSuccessor {
		t.Errorf("a claim superseding itself: %v", err)
	}
}

// A peer may write the same claim under another context, and in other shapes.
func TestClaimsUnderOtherContexts(t *testing.T) {
	t.Parallel()
	raw := renderedClaim(t)
	bare := raw[strings.Index(raw, `"actor"`):]
	own := `{"@context":["https://www.w3.org/ns/activitystreams",{"fl":"https://fedflattr.org/ns#"}],` + bare
	vf := strings.NewReplacer(`"stipulates"`, `"vf:stipulates"`, `"satisfies"`, `"vf:satisfies"`,
		`"hasUnit"`, `"vf:hasUnit"`, `"hasNumericalValue"`, `"vf:hasNumericalValue"`,
		`"resourceQuantity"`, `"vf:resourceQuantity"`, `"Agreement"`, `"vf:Agreement"`)
	for name, doc := range map[string]string{
		"plain valueflows":    own,
		"prefixed valueflows": `{"@context":{"vf":"https://w3id.org/valueflows/ont/vf#","fl":"https://fedflattr.org/ns#"},` + vf.Replace(bare),
		"another prefix":      strings.ReplaceAll(strings.Replace(own, `{"fl":`, `{"flattr":`, 1), `"fl:`, `"flattr:`),
		"to as a string":      strings.Replace(raw, `"to":["https://b.example/actor"]`, `"to":"https://b.example/actor"`, 1),
		"object in a list":    strings.Replace(strings.Replace(raw, `"object":{"attr`, `"object":[{"attr`, 1), `"Agreement"},"to"`, `"Agreement"}],"to"`, 1),
	} {
		claim, err := ParseClaim(mustDecode(t, []byte(doc)))
		if diff := cmp.Diff(aClaim(t), claim, compareDocuments); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestClaimAnswersNameTheRule(t *testing.T) {
	t.Parallel()
	final := aClaim(t).Agreement
	final.ID, final.Payto = "https://b.example/agreements/5", "payto://iban/DE75512108001245126199"
	accept := ClaimAnswer{Answer: Answer{ID: "https://b.example/answers/4", Actor: homeB, Verdict: Accepted, Object: claim1}, Agreement: final, Content: someContent}
	for name, change := range map[string]func(*ClaimAnswer){
		"held":               func(a *ClaimAnswer) { a.Verdict = Held },
		"no verdict":         func(a *ClaimAnswer) { a.Verdict = "" },
		"no id":              func(a *ClaimAnswer) { a.ID = "" },
		"no claim":           func(a *ClaimAnswer) { a.Object = "" },
		"unnamed agreement":  func(a *ClaimAnswer) { a.Agreement.ID = "" },
		"amount of nothing":  func(a *ClaimAnswer) { a.Agreement.Amount = 0 },
		"negative amount":    func(a *ClaimAnswer) { a.Agreement.Amount = -1 },
		"no digest":          func(a *ClaimAnswer) { a.Agreement.Digest = "" },
		"no payto link":      func(a *ClaimAnswer) { a.Agreement.Payto = "javascript:alert(1)" },
		"payto with a space": func(a *ClaimAnswer) { a.Agreement.Payto = "payto://iban/DE75 512" },
		"to no content":      func(a *ClaimAnswer) { a.Content = "" },
		"rejects nothing":    func(a *ClaimAnswer) { a.Verdict = Refused },
	} {
		answer := accept
		change(&answer)
		if raw, err := RenderClaimAnswer(answer); FaultCode(err) == "" {
			t.Errorf("%s: rendered %s", name, raw)
		}
	}
	raw, err := RenderClaimAnswer(accept)
	if err != nil {
		t.Fatal(err)
	}
	unsafe := strings.Replace(string(raw), "payto://iban/DE75512108001245126199", "javascript:alert(1)", 1)
	answer, err := ParseClaimAnswer(mustDecode(t, []byte(unsafe)))
	if err != nil || answer.Agreement.Payto != "" {
		t.Errorf("only payto: links are taken: %+v, %v", answer, err)
	}
}

// A peer's reason that is no reason of lines (any more) is honoured and logged.
func TestUnknownReasonsAreKept(t *testing.T) {
	t.Parallel()
	raw, err := RenderClaimAnswer(aRefusal(t))
	if err != nil {
		t.Fatal(err)
	}
	for reason, ok := range map[string]bool{"moon-phase": true, "unknown-thing": true, "": false, "Deleted": false, "a b": false, strings.Repeat("x", 65): false} {
		doc := strings.Replace(string(raw), `"reason":"deleted"`, fmt.Sprintf(`"reason":%q`, reason), 1)
		answer, err := ParseClaimAnswer(mustDecode(t, []byte(doc)))
		if (err == nil) != ok || (ok && answer.Rejected[0].Reason != Reason(reason)) {
			t.Errorf("%q: got %+v, %v", reason, answer.Rejected, err)
		}
	}
	if Reason("moon-phase").ForLines() || UnknownThing.ForLines() || !UnknownPayee.ForLines() || UnknownPayee.ForLikes() || !PeriodClosed.ForLikes() {
		t.Error("reasons are for lines or for Likes")
	}
}

func TestClaimsHaveLimits(t *testing.T) {
	t.Parallel()
	for n, code := range map[int]string{MaxInlineLines: "", MaxInlineLines + 1: CodeValue} {
		claim := aClaim(t)
		claim.Lines = nil
		for i := range n {
			claim.Lines = append(claim.Lines, Line{
				Payee: fmt.Sprintf("https://b.example/users/%04d", i), Amount: 1,
				Things: []LineThing{{Object: button, Flattrs: 1}},
			})
		}
		claim, err := claim.Completed()
		if err != nil {
			t.Fatal(err)
		}
		_, err = RenderClaim(claim)
		if FaultCode(err) != code {
			t.Errorf("%d lines: rendered with %v", n, err)
		}
	}
	for name, c := range map[string]struct {
		things, length int
		code           string
	}{
		"as many things as go": {MaxLineThings, 100, ""},
		"a thing more":         {MaxLineThings + 1, 100, CodeValue},
		"as many bytes as go":  {20, 1960, ""},
		"a long thing more":    {21, 1960, CodeSize},
	} {
		claim := aClaim(t)
		claim.Lines = []Line{{Payee: "https://b.example/users/bob", Amount: 1}}
		for i := range c.things {
			object := fmt.Sprintf("%s/%03d/", button, i)
			claim.Lines[0].Things = append(claim.Lines[0].Things, LineThing{Object: object + strings.Repeat("x", c.length-len(object)), Flattrs: 1})
		}
		canonical, err := RenderLines(claim.Lines)
		if FaultCode(err) != c.code {
			t.Errorf("%s: rendered with %v", name, err)
		}
		if n := claim.Lines[0].Bytes(); err == nil && n != int64(len(canonical)-2) {
			t.Errorf("%s: %d bytes are said to be %d", name, len(canonical)-2, n)
		}
	}
	line := Line{Payee: bob + `?"`, Split: "1", Amount: 12, Things: []LineThing{{Object: button + "?é&<", Flattrs: 10, Amount: new(int64)}, {Object: button + "?\"", Flattrs: 1}}}
	if canonical, err := RenderLines([]Line{line}); err != nil || line.Bytes() != int64(len(canonical)-2) {
		t.Errorf("%s: said to be %d bytes, %v", canonical, line.Bytes(), err)
	}
}

func TestEmptyClaimsAreNone(t *testing.T) {
	t.Parallel()
	claim := aClaim(t)
	claim.Lines = nil
	claim, err := claim.Completed()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := RenderClaim(claim); FaultCode(err) != CodeAmount {
		t.Errorf("got %v", err)
	}
}

func TestSumsStopBeforeTheyOverflow(t *testing.T) {
	t.Parallel()
	line := func(payee string, amount int64) Line {
		return Line{Payee: payee, Amount: amount, Things: []LineThing{{Object: button, Flattrs: 1}}}
	}
	if sum, err := SumLines([]Line{line(bob, MaxAmount-1), line(carol, 1)}); err != nil || sum != MaxAmount {
		t.Errorf("at the limit: %d, %v", sum, err)
	}
	if sum, err := SumLines([]Line{line(bob, MaxAmount), line(carol, 1)}); FaultCode(err) != CodeTotal {
		t.Errorf("beyond the limit: %d, %v", sum, err)
	}
}

// The digest of these two lines was computed apart from this program, with sha256sum
// over the canonical JSON written by hand (protocol §8, RFC 8785).
func TestLinesDigestIsThePublishedOne(t *testing.T) {
	t.Parallel()
	const canonical = `[{"amount":"400000","payee":"https://b.example/users/bob","things":[` +
		`{"amount":"300000","flattrs":3,"object":"https://b.example/buttons/7f3k"},` +
		`{"flattrs":3,"object":"https://b.example/buttons/9x2m"}]},` +
		`{"amount":"100001","payee":"https://b.example/users/carol","split":"https://b.example/splits/1","things":[` +
		`{"flattrs":1,"object":"https://b.example/buttons/c"}]}]`
	if got := digest([]byte(canonical)); got != wantDigest {
		t.Fatalf("the canonical form hashes to %s", got)
	}
	if got, err := LinesDigest(someLines()); err != nil || got != wantDigest {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := LinesDigest(nil); err != nil || got != digest([]byte("[]")) {
		t.Errorf("no lines: got %s, %v", got, err)
	}
}

func drawLines(t *rapid.T) []Line {
	lines := []Line{}
	for i := range rapid.IntRange(0, 8).Draw(t, "lines") {
		line := Line{
			Payee:  fmt.Sprintf("https://b.example/users/%d%s", i%5, rapid.StringMatching(`[a-zäöü€]{0,3}`).Draw(t, "name")),
			Split:  fmt.Sprint(i),
			Amount: rapid.Int64Range(1, MaxAmount/10).Draw(t, "amount"),
		}
		for j := range rapid.IntRange(1, 4).Draw(t, "things") {
			line.Things = append(line.Things, LineThing{
				Object: fmt.Sprintf("https://b.example/buttons/%d", j), Flattrs: rapid.Int64Range(1, 9).Draw(t, "flattrs"),
			})
		}
		lines = append(lines, line)
	}
	return lines
}

func TestLinesDigestDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := drawLines(t)
		want, err := LinesDigest(lines)
		if err != nil {
			t.Fatal(err)
		}
		shuffled := rapid.Permutation(lines).Draw(t, "order")
		first := append([]Line(nil), shuffled...)
		if got, err := LinesDigest(shuffled); err != nil || got != want {
			t.Fatalf("got %s, %v, want %s", got, err, want)
		}
		if !cmp.Equal(first, shuffled) {
			t.Fatal("the lines were changed")
		}
		if len(lines) > 0 {
			lines[0].Amount++
			if got, err := LinesDigest(lines); err != nil || got == want {
				t.Fatalf("another amount, the same digest: %v", err)
			}
		}
	})
}

func TestClaimsOfAnyLinesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		lines := drawLines(rt)
		if len(lines) == 0 {
			return
		}
		claim := aClaim(t)
		claim.Lines = lines
		claim, err := claim.Completed()
		if err != nil {
			rt.Fatal(err)
		}
		raw, err := RenderClaim(claim)
		if err != nil {
			rt.Fatal(err)
		}
		parsed, err := ParseClaim(mustDecode(t, raw))
		if err != nil {
			rt.Fatal(err)
		}
		again, err := RenderClaim(parsed)
		if err != nil || !bytes.Equal(raw, again) {
			rt.Fatalf("%v\n%s\n%s", err, raw, again)
		}
	})
}

const wantDigest = "sha-256:8e0c83fde5d07062e2f0fe589da66b6d21276bc81be3fc544aba34e3d1f655ed"
