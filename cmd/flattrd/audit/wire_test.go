package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"testing"

	"github.com/gowebpki/jcs"
	"github.com/multiformats/go-multibase"
)

// TestForeignContext: another implementation may name the terms otherwise, and map quantities to OM2.
func TestForeignContext(t *testing.T) {
	t.Parallel()
	o, err := readObject([]byte(`{"@context": ["https://www.w3.org/ns/activitystreams", {"flattr": "https://fedflattr.org/ns#",
		"month": "flattr:period", "v": "https://w3id.org/valueflows/ont/vf#", "Deal": {"@id": "v:Agreement"},
		"m": "http://www.ontology-of-units-of-measure.org/resource/om-2/"}],
		"type": "Offer", "to": ["https://b.example/actor"], "object": {"type": "Deal", "month": "2026-11",
		"flattr:assetCode": "EUR", "https://fedflattr.org/ns#assetScale": 6, "flattr:digest": "sha-256:1", "flattr:lines": [{"payee": "p"}],
		"stipulates": {"v:resourceQuantity": {"m:hasUnit": "one", "hasNumericalValue": "12"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := o.kind() + " of " + o.object("object").kind() + " to " + o.text("to"); got != "Offer of Agreement to https://b.example/actor" {
		t.Error(got)
	}
	if got, want := o.object("object").agreement(), (agreement{12, "2026-11", "EUR", "sha-256:1"}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if rows := o.object("object").rows(ns + "lines"); len(rows) != 1 || rows[0]["payee"] != "p" {
		t.Errorf("lines: %v", rows)
	}
}

// TestProofs: a proof is over the whole document, by one key, and only of the one kind.
func TestProofs(t *testing.T) {
	t.Parallel()
	public, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	const options = `{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","proofPurpose":"assertionMethod","verificationMethod":"k"`
	sign := func(document string) string {
		var toSign []byte
		for _, part := range []string{options + "}", document} {
			canonical, err := jcs.Transform([]byte(part))
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(canonical)
			toSign = append(toSign, sum[:]...)
		}
		value, err := multibase.Encode(multibase.Base58BTC, ed25519.Sign(secret, toSign))
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	value := sign(`{"a":"1"}`)
	proof := options + `,"proofValue":"` + value + `"}`
	for name, c := range map[string]struct {
		document string
		good     bool
	}{
		"as signed":              {`{"a":"1","proof":` + proof + `}`, true},
		"in another order":       {`{"proof":` + proof + `, "a": "1"}`, true},
		"with a linked data one": {`{"a":"1","signature":{"x":1},"proof":` + proof + `}`, true},
		"altered":                {`{"a":"2","proof":` + proof + `}`, false},
		"added to":               {`{"a":"1","b":"1","proof":` + proof + `}`, false},
		"a name twice":           {`{"a":"1","a":"1","proof":` + proof + `}`, false},
		"no proof":               {`{"a":"1"}`, false},
		"a list of proofs":       {`{"a":"1","proof":[` + proof + `]}`, false},
		"an expiry added":        {`{"a":"1","proof":` + proof[:len(proof)-1] + `,"expires":"2030-01-01T00:00:00Z"}}`, false},
	} {
		s, err := readSigned([]byte(c.document))
		if good := err == nil && s.by(public); good != c.good {
			t.Errorf("%s: %v, %v", name, good, err)
		}
	}
	if s, err := readSigned([]byte(`{"a":"1","proof":` + proof + `}`)); err != nil || s.by(nil) || s.method != "k" {
		t.Errorf("by no key: %v", err)
	}
}

// TestDivision: what nobody can have forgotten, in the smallest numbers.
func TestDivision(t *testing.T) {
	t.Parallel()
	one, _ := tieOf(nil, "2026-11", "https://a.example/users/alice", "https://b.example/buttons/1")
	if again, _ := tieOf(nil, "2026-11", "https://a.example/users/alicehttps", "://b.example/buttons/1"); again == one {
		t.Error("a tie doesn't tell where one text ends")
	}
	if got := lucky([]tie{{2}, {3}, {1}}, 2, nil); len(got) != 2 || got[0] != 2 || got[1] != 0 {
		t.Errorf("lucky: %v", got)
	}
	for _, c := range []struct {
		amount  int64
		weights []int64
		want    []int64
		ok      bool
	}{
		{10, []int64{1, 1, 9}, []int64{1, 1, 8}, true},
		{1, []int64{1, 1}, []int64{1, 0}, true},
		{2, []int64{1, 4}, []int64{0, 2}, true},
		{9_000_000_000_000_000_000, []int64{9_000_000_000_000_000_000, 1}, []int64{8_999_999_999_999_999_999, 1}, true},
		{0, []int64{0}, []int64{0}, true},
		{1, []int64{0}, []int64{0}, false},
		{3, []int64{1, 1}, []int64{0, 0}, false},
	} {
		got, ok := byWeight(c.amount, c.weights)
		for i := range c.want {
			if ok != c.ok || got[i] != c.want[i] {
				t.Errorf("%d over %v: %v %v, want %v", c.amount, c.weights, got, ok, c.want)
				break
			}
		}
	}
}
