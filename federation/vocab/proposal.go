package vocab

// A Proposal is an instance's standing request for what other homes owe its members,
// one per currency (FEP-0837). It names no amount and no unitBased, which together
// mean that an Agreement may be of any amount; amounts are micro-units.
type Proposal struct {
	ID           string // the Intent that agreements satisfy is "{ID}#primary"
	AttributedTo string // instance actor
	AssetCode    string // ISO 4217
	Minimum      int64  // settlement threshold, micro-units; 0: none stated
}

// Intent is the id that agreements must satisfy.
func (p Proposal) Intent() string { return p.ID + "#primary" }

// currencies are the Wikidata items by which FEP-0837 names kinds of money.
var currencies = map[string]string{
	"EUR": "https://www.wikidata.org/wiki/Q4916",
	"USD": "https://www.wikidata.org/wiki/Q4917",
}

// RenderProposal writes a Proposal.
func RenderProposal(p Proposal) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	intent := map[string]any{
		"type":             "Intent",
		"id":               p.Intent(),
		"action":           "transfer",
		"resourceQuantity": map[string]any{"hasUnit": "one"},
	}
	if item, known := currencies[p.AssetCode]; known {
		intent["resourceConformsTo"] = item
	}
	if p.Minimum > 0 {
		minimum, _ := FormatAmount(p.Minimum)
		intent["minimumQuantity"] = map[string]any{"hasUnit": "one", "hasNumericalValue": minimum}
	}
	return finish(map[string]any{
		"type":          "Proposal",
		"id":            p.ID,
		"purpose":       "request",
		"attributedTo":  p.AttributedTo,
		"publishes":     intent,
		"fl:assetCode":  p.AssetCode,
		"fl:assetScale": Scale,
		"to":            []string{Public},
	}, proposalContext)
}

func (p Proposal) check() error {
	if err := checkIRI(p.ID); err != nil {
		return at("/id", err)
	}
	if err := checkIRI(p.AttributedTo); err != nil {
		return at("/attributedTo", err)
	}
	if p.Minimum < 0 || p.Minimum > MaxAmount {
		return &Fault{Code: CodeAmount, Path: "/publishes/minimumQuantity", Rule: "an amount"}
	}
	if !assetGrammar.MatchString(p.AssetCode) {
		return &Fault{Code: CodeCurrency, Path: "/fl:assetCode", Rule: "an ISO 4217 code"}
	}
	return nil
}

// ParseProposal reads a standing request for money. Errors are *Fault.
func ParseProposal(d Document) (Proposal, error) {
	r := readAs(d, ProposalType)
	proposal := Proposal{
		ID:           r.ref("id"),
		AttributedTo: r.ref("attributedTo"),
		AssetCode:    r.asset(),
	}
	intent := &reader{doc: r.embedded(vfNS + "publishes")}
	if id := intent.ref("id"); id != proposal.Intent() {
		intent.fail(CodeValue, "id", "the proposal's id and #primary")
	}
	if minimum, ok, err := intent.doc.Embedded(vfNS + "minimumQuantity"); ok && err == nil {
		quantity := &reader{doc: minimum}
		proposal.Minimum = quantity.amount(vfNS + "hasNumericalValue")
		intent.keep(quantity.err)
	}
	r.keep(intent.err)
	return proposal, r.err
}
