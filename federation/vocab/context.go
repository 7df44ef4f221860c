package vocab

import "strings"

// Namespaces. Ours is inlined in every @context that uses it and never fetched
// (protocol §1).
const (
	AS2    = "https://www.w3.org/ns/activitystreams"
	NS     = "https://fedflattr.org/ns#"
	V1     = NS + "v1" // implements: "speaks flattr, version 1" (FEP-844e)
	Public = AS2 + "#Public"

	asNS  = AS2 + "#"
	vfNS  = "https://w3id.org/valueflows/ont/vf#"
	om2NS = "http://www.ontology-of-units-of-measure.org/resource/om-2/"
)

// Terms of our namespace, for Document's accessors. A term is found under any
// name that the document's @context expands to it.
const (
	TermPeriod         = NS + "period"
	TermPayee          = NS + "payee"
	TermCarries        = NS + "carries"
	TermGiverTag       = NS + "giverTag"
	TermReason         = NS + "reason"
	TermAcceptsFlattrs = NS + "acceptsFlattrs"
	TermAssetCode      = NS + "assetCode"
	TermAssetScale     = NS + "assetScale"
	TermLines          = NS + "lines"
	TermLineCount      = NS + "lineCount"
	TermDigest         = NS + "digest"
	TermContent        = NS + "content"
	TermSupersedes     = NS + "supersedes"
	TermRefusal        = NS + "refusal"
	TermRejected       = NS + "rejected"
	TermAmount         = NS + "amount"
	TermAgreements     = NS + "agreements"
	TermMethod         = NS + "method"
	TermReference      = NS + "reference"
	TermPaidAt         = NS + "paidAt"
	TermAllocations    = NS + "allocations"
	TermSums           = NS + "sums"
	TermKeyRotations   = NS + "keyRotations"
	TermOldKey         = NS + "oldKey"
	TermNewKey         = NS + "newKey"
	TermSequence       = NS + "sequence"
	TermSeen           = NS + "seen"
	TermReceivable     = NS + "receivable"
	TermPayable        = NS + "payable"
	TermRecords        = NS + "records"
	TermReturned       = NS + "returned"
	TermAnswer         = NS + "answer"

	// PaymentType is the type of a payment between two instances (protocol §9).
	PaymentType = NS + "Payment"
	// TotalsType is the type of an instance's public sums of a month (protocol §12).
	TotalsType = NS + "Totals"
	// KeyRotationType is the type of a change of accounting keys (protocol §2).
	KeyRotationType = NS + "KeyRotation"
	// StatementType is the type of what one instance tells a peer that it has on record (protocol §9).
	StatementType = NS + "Statement"
	// OfferType is ActivityStreams'.
	OfferType = asNS + "Offer"

	// AgreementType and ProposalType are ValueFlows types (FEP-0837).
	AgreementType = vfNS + "Agreement"
	ProposalType  = vfNS + "Proposal"
)

// terms is what a @context defines inline: term → definition as written. Remote
// contexts are never fetched, so what only they define stays unknown to us.
type terms struct {
	defined map[string]string
	vocab   string // @vocab: the home of undefined plain terms
}

// extend returns the active context after one more @context (JSON-LD 1.1 §3.1):
// later definitions win, null forgets everything.
func (t terms) extend(context any) terms {
	switch c := context.(type) {
	case []any:
		for _, entry := range c {
			if entry == nil {
				t = terms{}
				continue
			}
			t = t.extend(entry)
		}
	case map[string]any:
		return t.define(c)
	}
	return t
}

func (t terms) define(entries map[string]any) terms {
	next := terms{defined: make(map[string]string, len(t.defined)+len(entries)), vocab: t.vocab}
	for term, iri := range t.defined {
		next.defined[term] = iri
	}
	for term, definition := range entries {
		if object, ok := definition.(map[string]any); ok {
			definition = object["@id"]
		}
		iri, _ := definition.(string)
		if term == "@vocab" {
			next.vocab = iri
		} else if !strings.HasPrefix(term, "@") {
			next.defined[term] = iri
		}
	}
	return next
}

// expand is the IRI that a member name or type stands for, "" if it stands for
// nothing the document itself explains.
func (t terms) expand(name string) string {
	// A definition may use a prefix that is itself defined by a prefix; three
	// steps are more than any context in use needs, and they end a cycle.
	for range 3 {
		iri, defined := t.defined[name]
		prefix, suffix, compact := strings.Cut(name, ":")
		switch {
		case defined && iri != name:
			name = iri
		case compact && strings.HasPrefix(suffix, "//"):
			return name // already absolute
		case compact && t.defined[prefix] != "" && prefix != name:
			name = t.defined[prefix] + suffix
		case compact:
			return name
		case t.vocab != "" && name != "":
			return t.vocab + name
		default:
			return ""
		}
	}
	if strings.Contains(name, "://") {
		return name
	}
	return ""
}

// owns says whether an expanded name is one we look up by its meaning, and under
// which IRI. The quantities of ValueFlows are mapped to its own namespace by some
// and to OM2 by others (FEP-0837 and its implementations); both mean the same.
func owns(iri string) (string, bool) {
	if local, ok := strings.CutPrefix(iri, om2NS); ok {
		return vfNS + local, true
	}
	return iri, strings.HasPrefix(iri, NS) || strings.HasPrefix(iri, vfNS)
}
