package vocab

import (
	"errors"
	"maps"
	"net/http"
)

// ProblemMediaType is that of RFC 9457 documents.
const ProblemMediaType = "application/problem+json"

// Types of problems: those of FEP-c180, and ours for what only money has.
const (
	c180 = "https://w3id.org/fep/c180#"

	UnsupportedType        = c180 + "unsupported-type"
	ObjectDoesNotExist     = c180 + "object-does-not-exist"
	RedundantActivity      = c180 + "redundant-activity"
	NotAnActor             = c180 + "not-an-actor"
	PrincipalActorMismatch = c180 + "principal-actor-mismatch"
	ActorNotAuthorized     = c180 + "actor-not-authorized"
	PrincipalNotAuthorized = c180 + "principal-not-authorized"
	NoApplicableAddressees = c180 + "no-applicable-addressees"
	RateLimitExceeded      = c180 + "rate-limit-exceeded"

	MalformedDocument = NS + "malformed-document" // 400: a *Fault; member says where
	DigestMismatch    = NS + "digest-mismatch"    // 422
	TotalMismatch     = NS + "total-mismatch"     // 422
	ProofInvalid      = NS + "proof-invalid"      // 401
	PeriodNotSettled  = NS + "period-not-settled" // 422
	UnknownCurrency   = NS + "unknown-currency"   // 422
	ContentConflict   = NS + "content-conflict"   // 409: same id, other content
	AlreadyAccepted   = NS + "already-accepted"   // 409: superseding an accepted claim
	ReconcileFirst    = NS + "reconcile-first"    // 503
)

// A Problem is an error as an HTTP answer (RFC 9457).
type Problem struct {
	Type   string // one of the types above; "" is about:blank
	Title  string
	Status int
	Detail string
	Extra  map[string]any // further members: id, type, duplicate, actor, …
}

// RenderProblem writes a problem document.
func RenderProblem(p Problem) ([]byte, error) {
	members := maps.Clone(p.Extra)
	if members == nil {
		members = map[string]any{}
	}
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	members["title"], members["status"] = p.Title, p.Status
	if p.Type != "" {
		members["type"] = p.Type
	}
	if p.Detail != "" {
		members["detail"] = p.Detail
	}
	return marshal(members)
}

// ParseProblem reads a problem document. Errors are *Fault.
func ParseProblem(raw []byte) (Problem, error) {
	d, err := Decode(raw)
	if err != nil {
		return Problem{}, err
	}
	r := &reader{doc: d}
	problem := Problem{
		Type:   r.text("type", MaxIRI),
		Title:  r.text("title", maxName),
		Status: int(r.count("status", 599)),
		Detail: r.text("detail", maxSummary),
		Extra:  maps.Clone(d.members),
	}
	for _, name := range []string{"type", "title", "status", "detail"} {
		delete(problem.Extra, name)
	}
	return problem, r.err
}

// ProblemOf is how a document's fault is answered: 413 for its size, 422 where a
// claim contradicts itself, 400 otherwise; the member is named, its value isn't
// repeated. Other errors aren't the sender's business: a plain 500.
func ProblemOf(err error) Problem {
	var fault *Fault
	if !errors.As(err, &fault) {
		return Problem{Status: http.StatusInternalServerError}
	}
	p := problems[fault.Code]
	if p.Status == 0 {
		p = Problem{Type: MalformedDocument, Title: "Malformed document", Status: http.StatusBadRequest}
	}
	p.Detail = fault.Error()
	p.Extra = map[string]any{"member": fault.Path}
	return p
}

// problems are the faults that are answered otherwise than with a plain 400.
var problems = map[string]Problem{
	CodeSize:     {Type: MalformedDocument, Title: "Document too large", Status: http.StatusRequestEntityTooLarge},
	CodeType:     {Type: UnsupportedType, Title: "Unsupported type", Status: http.StatusBadRequest},
	CodeDigest:   {Type: DigestMismatch, Title: "Digest mismatch", Status: http.StatusUnprocessableEntity},
	CodeTotal:    {Type: TotalMismatch, Title: "Total mismatch", Status: http.StatusUnprocessableEntity},
	CodeCount:    {Type: TotalMismatch, Title: "Total mismatch", Status: http.StatusUnprocessableEntity},
	CodeOrder:    {Type: MalformedDocument, Title: "Lines doubled or unsorted", Status: http.StatusUnprocessableEntity},
	CodePeriod:   {Type: PeriodNotSettled, Title: "No such month", Status: http.StatusUnprocessableEntity},
	CodeCurrency: {Type: UnknownCurrency, Title: "No such currency", Status: http.StatusUnprocessableEntity},
	CodeScale:    {Type: UnknownCurrency, Title: "Unsupported scale", Status: http.StatusUnprocessableEntity},
}
