package vocab

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seed adds every payload and golden file: shapes of other software, and ours.
func seed(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"testdata/payloads/*.json", "testdata/golden/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
}

// Whatever Decode takes, the standard decoder reads the same way; nothing panics.
func FuzzDecode(f *testing.F) {
	seed(f)
	for _, doc := range []string{`{"a":1,"a":2}`, nested(MaxDepth + 1), "{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"a":"\u0000"}`, `{} {}`} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Decode(raw)
		if err != nil {
			if FaultCode(err) == "" {
				t.Fatalf("no fault: %v", err)
			}
			return
		}
		var want map[string]any
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		// reflect, since cmp is exponential in the depth of lists.
		if !reflect.DeepEqual(want, d.Members()) {
			t.Fatalf("encoding/json reads %v, we read %v", want, d.Members())
		}
		again, err := Decode(Document{members: d.members}.Raw())
		if err != nil && FaultCode(err) != CodeSize {
			t.Fatalf("its own encoding is refused: %v", err)
		}
		if err == nil && !reflect.DeepEqual(again.Members(), d.Members()) {
			t.Fatal("its own encoding says something else")
		}
		_ = d.IsActivity()
		_, _ = d.Content()
	})
}

// Every parser, on every document: a struct or a Fault. A flattr that was read is
// rendered, and read back the same.
func FuzzLike(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Decode(raw)
		if err != nil {
			return
		}
		like, err := ParseLike(d)
		if err != nil {
			if FaultCode(err) == "" {
				t.Fatalf("no fault: %v", err)
			}
			return
		}
		if !like.IsFlattr() {
			return
		}
		rendered, err := RenderLike(like)
		if FaultCode(err) == CodeSize {
			return
		}
		if err != nil {
			t.Fatalf("read, but can't be written: %v", err)
		}
		again, err := ParseLike(mustDecode(t, rendered))
		like.Published = like.Published.Truncate(1e9) // published is written in seconds
		if diff := cmp.Diff(like, again); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	})
}

// A claim that was read is coherent, whatever it was read from, and is written to the
// same claim.
func FuzzLinesPage(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Decode(raw)
		if err != nil {
			return
		}
		page, err := ParseLinesPage(d)
		if err != nil {
			if FaultCode(err) == "" {
				t.Fatalf("no fault: %v", err)
			}
			return
		}
		rendered, err := RenderLinesPage(page)
		if FaultCode(err) == CodeSize {
			return
		}
		if err != nil {
			t.Fatalf("read, but can't be written: %v", err)
		}
		again, err := ParseLinesPage(mustDecode(t, rendered))
		if diff := cmp.Diff(page, again); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	})
}

func FuzzClaim(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Decode(raw)
		if err != nil {
			return
		}
		for _, err := range parseAll(d) {
			if err != nil && FaultCode(err) == "" {
				t.Fatalf("no fault: %v", err)
			}
		}
		claim, err := ParseClaim(d)
		if err != nil {
			return
		}
		total, err := SumLines(claim.Lines)
		if claim.Paged() {
			total = claim.Amount // the lines are elsewhere
		}
		if err != nil || total != claim.Amount || total <= 0 {
			t.Fatalf("total %d of %d: %v", claim.Amount, total, err)
		}
		rendered, err := RenderClaim(claim)
		if FaultCode(err) == CodeSize {
			return
		}
		if err != nil {
			t.Fatalf("read, but can't be written: %v", err)
		}
		again, err := ParseClaim(mustDecode(t, rendered))
		claim.Published = claim.Published.Truncate(1e9)
		if diff := cmp.Diff(claim, again, compareDocuments); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	})
}

func parseAll(d Document) []error {
	var errs []error
	keep := func(err error) { errs = append(errs, err) }
	_, err := ParseUndo(d)
	keep(err)
	_, err = ParseFollow(d)
	keep(err)
	_, err = ParseAnswer(d)
	keep(err)
	_, err = ParseClaimAnswer(d)
	keep(err)
	_, err = ParsePayment(d)
	keep(err)
	_, err = ParsePaymentAnswer(d)
	keep(err)
	_, err = ParseActor(d)
	keep(err)
	_, err = ParsePage(d)
	keep(err)
	_, err = ParseCreate(d)
	keep(err)
	_, err = ParseDelete(d)
	keep(err)
	_, err = ParseCollection(d)
	keep(err)
	_, err = ParseProposal(d)
	keep(err)
	_, err = ParseJRD(d.Raw())
	keep(err)
	_, err = ParseNodeInfo(d.Raw())
	keep(err)
	_, err = ParseProblem(d.Raw())
	keep(err)
	return errs
}

func FuzzAmount(f *testing.F) {
	for _, text := range []string{"0", "1", "999999999999999999", "1000000000000000000", "00", "-1", "+1", "1e9", "１", "1_0", " 1", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, err := ParseAmount(text)
		if err != nil {
			return
		}
		back, err := FormatAmount(amount)
		if err != nil || back != text || amount < 0 {
			t.Fatalf("%q became %d became %q, %v", text, amount, back, err)
		}
	})
}

// A canonical form is its own canonical form, and the standard library finds the
// same host in it.
func FuzzCanonical(f *testing.F) {
	for _, iri := range []string{
		"https://b.example/users/bob", "HTTPS://BÜCHER.example:443/%7e?utm_source=x&a=%2f#y", "https://0x7f.1/", "https://[::1]/",
		"https://a@b.example/", "http://a.localhost:8480/actor", "https://b.example/a/../b/./c//?&&x=1&fbclid=2", "https://127。0。0。1/",
		"https://xn--a.example/", "https://b.example?x#y", "https://b.example:0443", "https://b.example/%", "https://ｂ.example/é", "https://b.exp%fe?p",
	} {
		f.Add(iri)
	}
	f.Fuzz(func(t *testing.T, iri string) {
		for _, web := range []Web{{}, {AllowHTTP: true}} {
			canonical, err := web.CanonicalIRI(iri)
			if err != nil {
				if FaultCode(err) == "" {
					t.Fatalf("no fault: %v", err)
				}
				continue
			}
			stable(t, canonical, web.CanonicalIRI)
			host, err := web.Host(canonical)
			if err != nil || !strings.HasPrefix(canonical, "http") || !strings.Contains(canonical, "://"+host+"/") {
				t.Fatalf("%q: host %q, %v", canonical, host, err)
			}
			if page, err := web.CanonicalPage(iri); err == nil {
				stable(t, page, web.CanonicalPage)
				if !web.SameHost(page, iri) || strings.Contains(page, "#") {
					t.Fatalf("%q became %q", iri, page)
				}
			}
		}
	})
}

func stable(t *testing.T, form string, canonical func(string) (string, error)) {
	t.Helper()
	again, err := canonical(form)
	if len(form) > MaxIRI { // the host may have grown in ASCII
		return
	}
	if err != nil || again != form {
		t.Fatalf("%q became %q, %v", form, again, err)
	}
}
