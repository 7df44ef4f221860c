package vocab

import "time"

// Totals are an instance's public sums of a settled month. They are worth something only with a proof by
// its accounting key: two of them that contradict each other are evidence.
type Totals struct {
	ID           string
	AttributedTo string // instance actor
	Published    time.Time
	Updated      time.Time // when a claim of the month last changed its state
	Period       string
	AssetCode    string // ISO 4217
	Sums         Sums
}

// Sums are micro-units over all members; nil is what isn't told, because too few are behind it.
type Sums struct {
	Givers  int64  // a count
	Flattrs *int64 // a count

	Reserved, Shared, RolledOver           *int64 // Reserved = Shared + RolledOver
	Here, Elsewhere                        *int64 // Shared = Here + Elsewhere
	Offered, Accepted, Confirmed, Returned *int64 // Elsewhere is the sum of these
	OwedByOthers, PaidByOthers             *int64 // what others accepted to owe our members, and of it what they paid
}

// named are the sums under their names on the wire.
func (s *Sums) named() map[string]**int64 {
	return map[string]**int64{"reserved": &s.Reserved, "shared": &s.Shared, "rolledOver": &s.RolledOver,
		"here": &s.Here, "elsewhere": &s.Elsewhere, "offered": &s.Offered, "accepted": &s.Accepted,
		"confirmed": &s.Confirmed, "returned": &s.Returned, "owedByOthers": &s.OwedByOthers, "paidByOthers": &s.PaidByOthers}
}

// RenderTotals writes an instance's sums, without proof.
func RenderTotals(t Totals) ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	sums := map[string]any{"givers": t.Sums.Givers}
	if t.Sums.Flattrs != nil {
		sums["flattrs"] = *t.Sums.Flattrs
	}
	for name, sum := range t.Sums.named() {
		if *sum != nil {
			sums[name], _ = FormatAmount(**sum)
		}
	}
	return finish(map[string]any{
		"type":          "fl:Totals",
		"id":            t.ID,
		"attributedTo":  t.AttributedTo,
		"published":     t.Published.UTC().Format(time.RFC3339),
		"updated":       t.Updated.UTC().Format(time.RFC3339),
		"fl:period":     t.Period,
		"fl:assetCode":  t.AssetCode,
		"fl:assetScale": Scale,
		"fl:sums":       sums,
		"to":            []string{Public},
	}, totalsContext)
}

// ParseTotals reads an instance's sums. Errors are *Fault; CodeTotal: parts aren't what they are of.
func ParseTotals(d Document) (Totals, error) {
	r := readAs(d, TotalsType)
	t := Totals{ID: r.ref("id"), AttributedTo: r.ref("attributedTo"), Published: r.time("published"), Updated: r.time("updated"),
		Period: r.month(TermPeriod), AssetCode: r.asset()}
	value, path, err := d.lookup(TermSums)
	r.keep(err)
	sums, err := readRow(value)
	if err != nil {
		r.keep(at(path, err))
		return t, r.err
	}
	t.Sums.Givers = sums.count("givers", MaxAmount)
	if sums.has("flattrs") {
		flattrs := sums.count("flattrs", MaxAmount)
		t.Sums.Flattrs = &flattrs
	}
	for name, sum := range t.Sums.named() {
		if sums.has(name) {
			amount := sums.amount(name)
			*sum = &amount
		}
	}
	r.keep(at(path, sums.err))
	if r.err == nil {
		r.keep(t.check())
	}
	return t, r.err
}

// check is the pair of checks on both sides of the wire.
func (t Totals) check() error {
	if err := checkIRI(t.ID); err != nil {
		return at("/id", err)
	}
	switch {
	case t.Published.IsZero() || t.Updated.Before(t.Published):
		return &Fault{Code: CodeValue, Path: "/updated", Rule: "when it was published, or later"}
	case !monthGrammar.MatchString(t.Period):
		return &Fault{Code: CodePeriod, Path: "/fl:period", Rule: "a month: YYYY-MM"}
	case !assetGrammar.MatchString(t.AssetCode):
		return &Fault{Code: CodeCurrency, Path: "/fl:assetCode", Rule: "an ISO 4217 code"}
	case t.Sums.Givers < 0 || t.Sums.Flattrs != nil && *t.Sums.Flattrs < 0:
		return &Fault{Code: CodeValue, Path: "/fl:sums", Rule: "counts from 0"}
	}
	for name, sum := range t.Sums.named() {
		if *sum != nil {
			if _, err := FormatAmount(**sum); err != nil {
				return at("/fl:sums/"+name, err)
			}
		}
	}
	return at("/fl:sums", t.Sums.add())
}

// add holds each sum to its parts, where they are told.
func (s Sums) add() error {
	for _, whole := range []struct {
		sum   *int64
		parts []*int64
	}{{s.Reserved, []*int64{s.Shared, s.RolledOver}}, {s.Shared, []*int64{s.Here, s.Elsewhere}},
		{s.Elsewhere, []*int64{s.Offered, s.Accepted, s.Confirmed, s.Returned}}} {
		total, told := int64(0), 0
		for _, part := range whole.parts {
			if part != nil {
				total, told = total+*part, told+1
			}
		}
		if told > 0 && (told < len(whole.parts) || whole.sum == nil || *whole.sum != total) {
			return &Fault{Code: CodeTotal, Rule: "each sum with all of its parts, which add up to it, or with none"}
		}
	}
	return nil
}
