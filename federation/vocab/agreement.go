package vocab

// An Agreement is what a claim is about: so much money of one month for the members
// of one instance (FEP-0837 with the terms of protocol §8). All amounts are in
// micro-units, the only scale spoken.
type Agreement struct {
	ID           string // only a finalised agreement has one
	AttributedTo string // instance actor: of the home in an offer, of the payee's side once final
	Satisfies    string // the payee instance's standing Intent, "https://b.example/proposals/eur#primary"
	Amount       int64  // the total, micro-units
	Period       string // month "2026-11"
	AssetCode    string // ISO 4217
	Digest       string // LinesDigest of all lines
	Payto        string // payto: link for the payment (RFC 8905); final agreements only
}

// members is the agreement as an embedded object. FEP-0837 §Agreements: quantities
// of something countable have the unit "one"; their values are strings.
func (a Agreement) members() (map[string]any, error) {
	amount, err := FormatAmount(a.Amount)
	if err != nil {
		return nil, at("/stipulates/resourceQuantity/hasNumericalValue", err)
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	commitment := map[string]any{
		"type":             "Commitment",
		"satisfies":        a.Satisfies,
		"resourceQuantity": map[string]any{"hasUnit": "one", "hasNumericalValue": amount},
	}
	members := map[string]any{
		"type":          "Agreement",
		"attributedTo":  a.AttributedTo,
		"stipulates":    commitment,
		"fl:period":     a.Period,
		"fl:assetCode":  a.AssetCode,
		"fl:assetScale": Scale,
		"fl:digest":     a.Digest,
	}
	if a.ID != "" { // the commitments of a finalised agreement have ids, too
		members["id"], commitment["id"] = a.ID, a.ID+"#primary"
	}
	if a.Payto != "" {
		members["url"] = map[string]any{"type": "Link", "rel": "payment", "href": a.Payto}
	}
	return members, nil
}

func (a Agreement) check() error {
	if err := checkIRI(a.AttributedTo); err != nil {
		return at("/attributedTo", err)
	}
	if err := checkIRI(a.Satisfies); err != nil {
		return at("/stipulates/satisfies", err)
	}
	switch {
	case a.Amount <= 0:
		return &Fault{Code: CodeAmount, Path: "/stipulates", Rule: "more than nothing"}
	case !monthGrammar.MatchString(a.Period):
		return &Fault{Code: CodePeriod, Path: "/fl:period", Rule: "a month: YYYY-MM"}
	case !assetGrammar.MatchString(a.AssetCode):
		return &Fault{Code: CodeCurrency, Path: "/fl:assetCode", Rule: "an ISO 4217 code"}
	case !digestGrammar.MatchString(a.Digest):
		return &Fault{Code: CodeValue, Path: "/fl:digest", Rule: "sha-256: and 64 hex digits"}
	case a.Payto != "" && !isPayto(a.Payto):
		return &Fault{Code: CodeValue, Path: "/url", Rule: "a payto: link"}
	}
	return nil
}

func isPayto(link string) bool {
	return len(link) <= MaxIRI && paytoGrammar.MatchString(link)
}

// agreement reads the members that offers and final agreements share.
func (r *reader) agreement() Agreement {
	commitment := &reader{doc: r.embedded(vfNS + "stipulates")}
	quantity := &reader{doc: commitment.embedded(vfNS + "resourceQuantity")}
	a := Agreement{
		ID:           r.optRef("id"),
		AttributedTo: r.ref("attributedTo"),
		Satisfies:    commitment.ref(vfNS + "satisfies"),
		Amount:       quantity.amount(vfNS + "hasNumericalValue"),
		Period:       r.month(TermPeriod),
		AssetCode:    r.asset(),
		Digest:       r.digest(TermDigest),
		Payto:        r.payto(),
	}
	if a.Amount == 0 {
		quantity.fail(CodeAmount, vfNS+"hasNumericalValue", "more than nothing")
	}
	if unit := quantity.text(vfNS+"hasUnit", maxToken); unit != "one" {
		quantity.fail(CodeValue, vfNS+"hasUnit", "one")
	}
	r.keep(commitment.err)
	r.keep(quantity.err)
	return a
}

// payto is the first payment link among the agreement's urls that is a payto: link.
func (r *reader) payto() string {
	links, err := r.doc.EmbeddedList("url")
	r.keep(err)
	for _, link := range links {
		href, _ := link.Text("href", MaxIRI)
		if isPayto(href) {
			return href
		}
	}
	return ""
}
