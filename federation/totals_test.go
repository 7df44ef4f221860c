package federation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// serveTotals asks a new server of an instance, as after a restart, for a month's sums.
func serveTotals(t *testing.T, i *ledgertest.Instance, path, accept string) *http.Response {
	t.Helper()
	s := federation.New(federation.Config{Ledger: i.Ledger, Pool: i.Pool, Client: guard.New(guard.Config{})})
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, i.Instance().BaseURL+path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	s.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	return w.Result()
}

// accountingKey is the key that an instance's actor publishes for money.
func accountingKey(t *testing.T, i *ledgertest.Instance) signature.PublicKey {
	t.Helper()
	for _, entry := range decode(t, body(t, serveTotals(t, i, "/actor", as2)))["assertionMethod"].([]any) {
		method := entry.(map[string]any)
		if id := method["id"].(string); strings.HasSuffix(id, "#accounting-key") {
			key, err := signature.ParseMultikey(id, method["controller"].(string), method["publicKeyMultibase"].(string))
			if err != nil {
				t.Fatal(err)
			}
			return key
		}
	}
	t.Fatal("no accounting key")
	return signature.PublicKey{}
}

// TestTotals: the sums are proven by the accounting key, the same bytes whenever they are asked for, and
// change with the claims, not with the clock.
func TestTotals(t *testing.T) {
	t.Parallel()
	post := ledgertest.PlayCrowd(t, ledgertest.Crowd{Givers: 3, Idle: 3, Here: 3, There: 3})
	a := post["a.example"]
	settled := body(t, serveTotals(t, a, "/totals/2026-11.json", as2))
	a.Clock.Set(a.Clock.Now().Add(time.Hour))
	if again := body(t, serveTotals(t, a, "/totals/2026-11.json", "text/html")); !bytes.Equal(settled, again) {
		t.Errorf("the same month is %s\nand then %s", settled, again)
	}
	key := accountingKey(t, a)
	if _, err := signature.VerifyProof(settled, key); err != nil {
		t.Error(err)
	}
	if _, err := signature.VerifyProof(bytes.Replace(settled, []byte(`"offered":"4500000"`), []byte(`"offered":"4500001"`), 1), key); err == nil {
		t.Error("a changed sum is taken for proven")
	}
	post.Deliver(t)
	r := serveTotals(t, a, "/totals/2026-11.json", as2)
	accepted := body(t, r)
	if _, err := signature.VerifyProof(accepted, key); err != nil {
		t.Error(err)
	}
	d, err := vocab.Decode(accepted)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := vocab.ParseTotals(d)
	if err != nil || *sums.Sums.Accepted != 4_500_000 || *sums.Sums.OwedByOthers != 9_000_000 || !sums.Updated.Equal(a.Clock.Now()) ||
		sums.Published.Equal(sums.Updated) || sums.ID != "https://a.example/totals/2026-11.json" {
		t.Errorf("%+v, %v", sums, err)
	}
	if r.Header.Get("Content-Type") != "application/activity+json; charset=utf-8" || r.Header.Get("Vary") != "Accept" {
		t.Errorf("%v", r.Header)
	}
	if media := serveTotals(t, a, "/totals/2026-11.json", "text/html").Header.Get("Content-Type"); media != "application/json" {
		t.Errorf("people get %s", media)
	}
	for _, none := range []string{"/totals/2026-12.json", "/totals/2020-01.json", "/totals/2026-13.json"} {
		if r := serveTotals(t, a, none, as2); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", none, r.Status)
		}
	}
	documented(t, accepted)
}

// documented compares a document with the example of FEDERATION.md, but for the proof's value: it is by a
// key that each test makes.
func documented(t *testing.T, raw []byte) {
	t.Helper()
	text, err := os.ReadFile("../FEDERATION.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## 12. Public totals\n")
	_, rest, _ = strings.Cut(rest, "```json\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("FEDERATION.md has no example of public totals")
	}
	want, got := decode(t, []byte(example)), decode(t, raw)
	for _, document := range []map[string]any{want, got} {
		if value, _ := document["proof"].(map[string]any)["proofValue"].(string); len(value) < 60 || value[0] != 'z' {
			t.Errorf("proofValue %q", value)
		}
		document["proof"].(map[string]any)["proofValue"] = ""
	}
	if d := cmp.Diff(want, got); d != "" {
		pretty, _ := json.MarshalIndent(got, "", " ")
		t.Errorf("FEDERATION.md says something else: %s\n%s", d, pretty)
	}
}
