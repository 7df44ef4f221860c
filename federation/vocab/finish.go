package vocab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// MaxSent is the largest document we send, in bytes: Misskey's inbox takes no more
// (protocol §11).
const MaxSent = 64 << 10

// The contexts of our documents. Terms of ours are defined inline and nobody has to
// fetch anything; ActivityStreams stands first, where servers look for it.
var (
	plainContext = AS2

	flattrContext = []any{AS2, map[string]any{"fl": NS, "period": "fl:period"}}

	// Rows of money (lines, refusals, allocations, an embedded refusal) are JSON
	// literals: their digests are over JSON, so JSON-LD must not look inside.
	moneyContext = []any{AS2, "https://w3id.org/security/data-integrity/v2", map[string]any{
		"fl":                   NS,
		"fl:lines":             literal("fl:lines"),
		"fl:rejected":          literal("fl:rejected"),
		"fl:refusal":           literal("fl:refusal"),
		"fl:allocations":       literal("fl:allocations"),
		"vf":                   vfNS,
		"om2":                  om2NS,
		"Agreement":            "vf:Agreement",
		"Commitment":           "vf:Commitment",
		"stipulates":           "vf:stipulates",
		"stipulatesReciprocal": "vf:stipulatesReciprocal",
		"satisfies":            "vf:satisfies",
		"resourceQuantity":     "vf:resourceQuantity",
		"hasUnit":              "om2:hasUnit",
		"hasNumericalValue":    "om2:hasNumericalValue",
	}}

	proposalContext = []any{AS2, map[string]any{
		"fl":                 NS,
		"vf":                 vfNS,
		"om2":                om2NS,
		"Proposal":           "vf:Proposal",
		"Intent":             "vf:Intent",
		"purpose":            "vf:purpose",
		"publishes":          "vf:publishes",
		"action":             "vf:action",
		"resourceConformsTo": pointing("vf:resourceConformsTo"),
		"resourceQuantity":   "vf:resourceQuantity",
		"minimumQuantity":    "vf:minimumQuantity",
		"hasUnit":            "om2:hasUnit",
		"hasNumericalValue":  "om2:hasNumericalValue",
	}}

	totalsContext = []any{AS2, "https://w3id.org/security/data-integrity/v2", map[string]any{"fl": NS, "fl:sums": literal("fl:sums")}}

	rotationContext = []any{AS2, "https://w3id.org/security/data-integrity/v2", map[string]any{"fl": NS,
		"fl:oldKey": literal("fl:oldKey"), "fl:newKey": literal("fl:newKey")}}
	statementContext = []any{AS2, "https://w3id.org/security/data-integrity/v2", map[string]any{"fl": NS, "fl:records": literal("fl:records"),
		"fl:returned": literal("fl:returned"), "fl:answer": literal("fl:answer")}}

	splitContext = []any{AS2, "https://w3id.org/security/data-integrity/v2", map[string]any{"fl": NS, "fl:authors": literal("fl:authors")}}

	splitPageContext = []any{AS2, map[string]any{"Hashtag": "as:Hashtag", "fl": NS, "fl:split": literal("fl:split")}}

	pageContext = []any{AS2, map[string]any{"Hashtag": "as:Hashtag"}}

	actorContext = []any{
		AS2, "https://w3id.org/security/v1", "https://www.w3.org/ns/cid/v1", "https://w3id.org/fep/844e",
		map[string]any{
			"fl":                        NS,
			"toot":                      "http://joinmastodon.org/ns#",
			"attributionDomains":        pointing("toot:attributionDomains"),
			"discoverable":              "toot:discoverable",
			"featured":                  pointing("toot:featured"),
			"alsoKnownAs":               pointing("as:alsoKnownAs"),
			"manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
		},
	}
)

// rotatedContext is an actor's that has had another accounting key: its statements are JSON literals, because
// what was signed is JSON.
var rotatedContext = append(slices.Clone(actorContext), map[string]any{"fl:keyRotations": literal("fl:keyRotations")})

func literal(term string) map[string]any { return map[string]any{"@id": term, "@type": "@json"} }

func pointing(term string) map[string]any { return map[string]any{"@id": term, "@type": "@id"} }

// finish makes an object a document: its context, and the bytes.
func finish(members map[string]any, context any) ([]byte, error) {
	return finishWithin(members, context, MaxSent)
}

func finishWithin(members map[string]any, context any, most int) ([]byte, error) {
	members["@context"] = context
	raw, err := marshal(members)
	if err != nil {
		return nil, err
	}
	if len(raw) > most {
		return nil, &Fault{Code: CodeSize, Rule: fmt.Sprintf("at most %d bytes in what we send", most)}
	}
	return raw, nil
}

// listed are the members that stay lists even with one entry, where go-fed writes
// the entry alone: Lemmy refuses anything but a list in them.
var listed = []string{"to", "cc", "tag", "attachment", "items", "orderedItems"}

func asLists(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range listed {
			switch single := v[name].(type) {
			case string, map[string]any:
				v[name] = []any{single}
			}
		}
		for _, inner := range v {
			asLists(inner)
		}
	case []any:
		for _, inner := range v {
			asLists(inner)
		}
	}
}

// marshal is our one encoder: members sorted by name, no HTML escapes, no newline.
func marshal(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
