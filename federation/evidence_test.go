package federation_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// TestEvidence: whatever about money is kept proves itself to whoever has the key, on both sides, and nothing
// that was changed does.
func TestEvidence(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.crowd(3)
	to.december()
	to.Quiet()
	stranger := to.Peer("stranger")
	strange, err := stranger.Accounting.Public().Multikey()
	to.must(err)
	kinds := map[string]int{}
	for _, i := range to.Instances() {
		all, err := federation.Evidence(t.Context(), i.Pool, "")
		to.must(err)
		for _, k := range all {
			doc, key := keptOf(to, i, k.ID)
			p, err := federation.VerifyEvidence(doc, key, nil)
			if err != nil {
				t.Errorf("%s keeps %s: %v", i.Name, k.ID, err)
			}
			kinds[p.Type]++
			if p.Made == "" || p.Fingerprint != federation.Fingerprint(key) || p.Type == "Offer" && (p.Lines != 3 || p.Currency != "EUR" || p.Amount == "") {
				t.Errorf("%s: %+v", k.ID, p)
			}
			if _, err := federation.VerifyEvidence(doc, strange, nil); err == nil {
				t.Errorf("%s is proved by another's key", k.ID)
			}
			if _, err := federation.VerifyEvidence(bytes.Replace(doc, []byte("2026-11"), []byte("2026-10"), 1), key, nil); err == nil {
				t.Errorf("%s is proved after a change", k.ID)
			}
		}
	}
	if kinds["Offer"] != 2 || kinds["Accept"] != 2 {
		t.Errorf("both sides keep the offer and its answer: %v", kinds)
	}
	if other, err := federation.Evidence(t.Context(), to.a.Pool, "elsewhere.example"); err != nil || len(other) != 0 {
		t.Errorf("with a host that nothing was exchanged with: %v, %v", other, err)
	}
}

// keptOf is a kept document and the key that the books have for it.
func keptOf(to *town, i *federationtest.Instance, id string) (doc []byte, key string) {
	to.t.Helper()
	doc, err := federation.KeptDocument(context.Background(), i.Pool, id)
	to.must(err)
	key, err = federation.KeyOf(context.Background(), i.Pool, i.Ledger, doc)
	to.must(err)
	return doc, key
}

// TestEvidenceOnPages: the lines of a claim that names only their digest are proved by that digest.
func TestEvidenceOnPages(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.crowd(250)
	to.december()
	to.Quiet()
	to.must(to.b.Server.FetchWaiting(t.Context()))
	iri := to.a.Ledger.Instance().ClaimIRI(to.b.Ledger.Instance().Host, "2026-11", "EUR", 1)
	doc, key := keptOf(to, to.b, iri)
	d, err := to.b.Ledger.ClaimDocument(t.Context(), iri)
	to.must(err)
	lines, err := federation.CanonicalLines(d.Lines)
	to.must(err)
	p, err := federation.VerifyEvidence(doc, key, lines)
	if err != nil || p.Lines != 250 {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := federation.VerifyEvidence(doc, key, bytes.Replace(lines, []byte(`"flattrs":1`), []byte(`"flattrs":2`), 1)); err == nil || !strings.Contains(err.Error(), "aren't the claim's lines") {
		t.Errorf("changed lines: %v", err)
	}
	if all, err := vocab.ParseLines(lines); err != nil || len(all) != 250 {
		t.Errorf("%d lines, %v", len(all), err)
	}
}
