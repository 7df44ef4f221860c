package vocab

import (
	"fmt"
	"regexp"
	"time"

	"github.com/go-fed/activity/streams"
)

var (
	methodGrammar = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	// referenceGrammar is what every SEPA bank carries unchanged (EPC217-08 §6.2).
	referenceGrammar = regexp.MustCompile(`^[A-Za-z0-9/?:().,'+ -]{1,35}$`)
)

// Netting is the method by which both sides' claims pay each other, without a bank: the allocations of either side
// add up to the amount (protocol §9).
const Netting = "netting"

// A Payment announces a transfer from one instance to another (protocol §9). It is
// valid only with a proof by the payer's accounting key.
type Payment struct {
	ID          string // of the Create
	Actor       string // instance actor of the payer
	To          string // instance actor of the payees' side
	Published   time.Time
	Object      string       // id of the payment itself
	Agreements  []string     // ids of the final agreements it pays on
	Amount      int64        // micro-units, > 0
	AssetCode   string       // ISO 4217
	Method      string       // the rail: "manual", "sepa"
	Reference   string       // what the bank statement will show, at most 35 characters
	PaidAt      time.Time    // when the order was given
	Allocations []Allocation // which claims it pays; each once, together at most Amount
}

// An Allocation is the part of a payment that pays one claim, in micro-units.
type Allocation struct {
	Claim  string // the claim's id
	Amount int64  // > 0
}

type wireAllocation struct {
	Amount string `json:"amount"`
	Claim  string `json:"claim"`
}

// ParsePayment reads the Create of a payment. Errors are *Fault.
func ParsePayment(d Document) (Payment, error) {
	r := read(d, "Create")
	payment := Payment{
		ID:        r.ref("id"),
		Actor:     r.ref("actor"),
		To:        r.ref("to"),
		Published: r.published(),
	}
	inner := readAs(r.embedded("object"), PaymentType)
	payment.Object = inner.ref("id")
	payment.Agreements = inner.refs(TermAgreements)
	payment.Amount = inner.amount(TermAmount)
	payment.AssetCode = inner.asset()
	payment.Method = inner.text(TermMethod, maxToken)
	payment.Reference = inner.text(TermReference, maxToken)
	payment.PaidAt = inner.time(TermPaidAt)
	payment.Allocations = inner.allocations()
	r.keep(inner.err)
	if r.err == nil {
		r.keep(at("/object", payment.check()))
	}
	return payment, r.err
}

func (r *reader) allocations() []Allocation {
	value, path, err := r.doc.lookup(TermAllocations)
	r.keep(err)
	rows, ok := value.([]any)
	if !ok || len(rows) > maxRefs {
		r.keep(missingOr(value, path, CodeKind, fmt.Sprintf("a list of at most %d allocations", maxRefs)))
		return nil
	}
	allocations := make([]Allocation, 0, len(rows))
	for i, entry := range rows {
		row, err := readRow(entry)
		if err == nil {
			allocations = append(allocations, Allocation{Claim: row.address("claim"), Amount: row.amount("amount")})
			err = row.err
		}
		r.keep(at(fmt.Sprintf("%s/%d", path, i), err))
	}
	return allocations
}

// RenderPayment writes the Create of a payment, without proof.
func RenderPayment(p Payment) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, at("/object", err)
	}
	amount, _ := FormatAmount(p.Amount)
	object := map[string]any{
		"type":           "fl:Payment",
		"id":             p.Object,
		"attributedTo":   p.Actor,
		"fl:agreements":  p.Agreements,
		"fl:amount":      amount,
		"fl:assetCode":   p.AssetCode,
		"fl:assetScale":  Scale,
		"fl:method":      p.Method,
		"fl:reference":   p.Reference,
		"fl:paidAt":      p.PaidAt.UTC().Format(time.RFC3339),
		"fl:allocations": wireAllocations(p.Allocations),
	}
	create := streams.NewActivityStreamsCreate()
	return compose(create, p.ID).by(create, p.Actor).addressed([]string{p.To}, nil).
		published(p.Published).set("object", object).render(moneyContext)
}

func wireAllocations(allocations []Allocation) []wireAllocation {
	wire := make([]wireAllocation, 0, len(allocations))
	for _, a := range allocations {
		amount, _ := FormatAmount(a.Amount)
		wire = append(wire, wireAllocation{Claim: a.Claim, Amount: amount})
	}
	return wire
}

// check is the pair of checks on both sides of the wire.
func (p Payment) check() error {
	if err := checkIRI(p.Object); err != nil {
		return at("/id", err)
	}
	switch {
	case p.Amount <= 0 || p.Amount > MaxAmount:
		return &Fault{Code: CodeAmount, Path: "/fl:amount", Rule: "more than nothing"}
	case !assetGrammar.MatchString(p.AssetCode):
		return &Fault{Code: CodeCurrency, Path: "/fl:assetCode", Rule: "an ISO 4217 code"}
	case !methodGrammar.MatchString(p.Method):
		return &Fault{Code: CodeValue, Path: "/fl:method", Rule: "a method of small letters"}
	case !referenceGrammar.MatchString(p.Reference):
		return &Fault{Code: CodeValue, Path: "/fl:reference", Rule: "1 to 35 characters of the SEPA set"}
	case p.PaidAt.IsZero():
		return &Fault{Code: CodeMissing, Path: "/fl:paidAt", Rule: "required"}
	}
	for i, agreement := range p.Agreements {
		if err := checkIRI(agreement); err != nil {
			return at(fmt.Sprintf("/fl:agreements/%d", i), err)
		}
	}
	return p.checkAllocations()
}

// checkAllocations: each amount is allocated once, and never more than is paid.
func (p Payment) checkAllocations() error {
	var total int64
	sides := int64(1)
	if p.Method == Netting && p.Amount <= MaxAmount/2 {
		sides = 2
	}
	seen := map[string]bool{}
	for i, a := range p.Allocations {
		path := fmt.Sprintf("/fl:allocations/%d", i)
		if err := checkIRI(a.Claim); err != nil {
			return at(path+"/claim", err)
		}
		if seen[a.Claim] {
			return &Fault{Code: CodeOrder, Path: path + "/claim", Rule: "each claim once"}
		}
		seen[a.Claim] = true
		sum, err := AddAmounts(total, a.Amount)
		if err != nil || a.Amount == 0 || sum > p.Amount*sides {
			return &Fault{Code: CodeTotal, Path: path + "/amount", Rule: "something, and in all at most the payment"}
		}
		total = sum
	}
	return nil
}

// A PaymentAnswer says what the payees' side found on its account (protocol §9). It
// is valid only with a proof by that side's accounting key.
type PaymentAnswer struct {
	Answer           // Object is the id of the payment's Create; Refused has the Reason NotReceived
	Content   string // digest of that Create without its proof
	Received  int64  // micro-units, > 0; with Accepted
	AssetCode string // ISO 4217; with Accepted
}

// ParsePaymentAnswer reads an Accept or Reject of a payment. Errors are *Fault.
func ParsePaymentAnswer(d Document) (PaymentAnswer, error) {
	r := read(d, string(Accepted), string(Refused))
	answer := PaymentAnswer{Answer: r.answer(), Content: r.digest(TermContent)}
	if answer.Verdict == Accepted {
		answer.Received = r.amount(TermAmount)
		answer.AssetCode = r.asset()
	}
	if r.err == nil {
		r.keep(answer.check())
	}
	return answer, r.err
}

// RenderPaymentAnswer writes the answer to a payment, without proof.
func RenderPaymentAnswer(a PaymentAnswer) ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	d := a.Answer.draft().content(a.Content)
	if a.Verdict == Refused {
		return d.set("fl:reason", string(a.Reason)).render(moneyContext)
	}
	return d.amount("fl:amount", a.Received).set("fl:assetCode", a.AssetCode).
		set("fl:assetScale", Scale).render(moneyContext)
}

func (a PaymentAnswer) check() error {
	switch {
	case a.Verdict == Refused && a.Reason != NotReceived && a.Reason != InFlight:
		return &Fault{Code: CodeValue, Path: "/fl:reason", Rule: string(NotReceived) + ", or of a netting " + string(InFlight)}
	case a.Verdict == Refused:
		return nil
	case a.Verdict != Accepted:
		return &Fault{Code: CodeValue, Path: "/type", Rule: "Accept or Reject"}
	case a.Received <= 0:
		return &Fault{Code: CodeAmount, Path: "/fl:amount", Rule: "more than nothing"}
	case !assetGrammar.MatchString(a.AssetCode):
		return &Fault{Code: CodeCurrency, Path: "/fl:assetCode", Rule: "an ISO 4217 code"}
	}
	return nil
}
