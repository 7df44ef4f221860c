package vocab

import (
	"fmt"
	"regexp"
)

var paytoGrammar = regexp.MustCompile(`^payto://[a-z][a-z0-9-]*/[!-~]+$`) // RFC 8905 §3

// A ClaimAnswer accepts a claim, with the final Agreement, or refuses it for some of
// its lines (protocol §8). Like the claim it is valid only with a proof by the
// accounting key, here of the payees' side.
type ClaimAnswer struct {
	Answer              // Object is the claim's id; Verdict is Accepted or Refused
	Agreement Agreement // with Accepted: same amounts, month, currency and digest as offered
	Rejected  []RejectedLine
	Digest    string // with Refused: the digest of the lines refused, or ""
	Content   string // digest of the offer without its proof: two offers of the same lines may differ otherwise
}

// A RejectedLine is a line that the payees' side won't take, and why.
type RejectedLine struct {
	Payee  string `json:"payee"`
	Reason Reason `json:"reason"`
	Split  string `json:"split,omitempty"`
}

// ParseClaimAnswer reads an Accept or Reject of a claim. Errors are *Fault.
func ParseClaimAnswer(d Document) (ClaimAnswer, error) {
	r := read(d, string(Accepted), string(Refused))
	answer := ClaimAnswer{Answer: r.answer(), Content: r.digest(TermContent)}
	if r.err != nil {
		return answer, r.err
	}
	if answer.Verdict == Accepted {
		inner := readAs(r.embedded("result"), AgreementType)
		answer.Agreement = inner.agreement()
		inner.ref("id") // FEP-0837: required once final
		r.keep(inner.err)
		return answer, r.err
	}
	answer.Rejected = r.rejected()
	if r.has(TermDigest) {
		answer.Digest = r.digest(TermDigest)
	}
	return answer, r.err
}

// rejected reads the refused lines. A reason that isn't one of a line's is kept: it
// is honoured and logged (protocol §8).
func (r *reader) rejected() []RejectedLine {
	value, path, err := r.doc.lookup(TermRejected)
	r.keep(err)
	rows, ok := value.([]any)
	if !ok || len(rows) == 0 || len(rows) > MaxInlineLines {
		r.keep(missingOr(value, path, CodeKind, fmt.Sprintf("a list of 1 to %d lines", MaxInlineLines)))
		return nil
	}
	lines := make([]RejectedLine, 0, len(rows))
	for i, entry := range rows {
		line, err := parseRejected(entry)
		r.keep(at(fmt.Sprintf("%s/%d", path, i), err))
		lines = append(lines, line)
	}
	return lines
}

func parseRejected(entry any) (RejectedLine, error) {
	r, err := readRow(entry)
	if err != nil {
		return RejectedLine{}, err
	}
	return RejectedLine{
		Payee:  r.address("payee"),
		Split:  r.text("split", MaxIRI),
		Reason: Reason(r.match("reason", CodeValue, reasonGrammar, "a reason of small letters and hyphens")),
	}, r.err
}

// RenderClaimAnswer writes the answer to a claim, without proof. A Reject takes line
// reasons only: a fault of the claim itself is no answer but an HTTP error.
func RenderClaimAnswer(a ClaimAnswer) ([]byte, error) {
	d := a.Answer.draft().content(a.Content)
	switch a.Verdict {
	case Accepted:
		agreement, err := a.Agreement.members()
		d.keep(at("/result", err))
		d.keep(at("/result/id", checkIRI(a.Agreement.ID)))
		d.set("result", agreement)
	case Refused:
		d.keep(checkRejected(a.Rejected))
		d.set("fl:rejected", a.Rejected).optText("fl:digest", a.Digest)
	default:
		d.keep(&Fault{Code: CodeValue, Path: "/type", Rule: "Accept or Reject"})
	}
	return d.render(moneyContext)
}

func checkRejected(lines []RejectedLine) error {
	if len(lines) == 0 || len(lines) > MaxInlineLines {
		return &Fault{Code: CodeMissing, Path: "/fl:rejected", Rule: "the lines refused"}
	}
	for i, line := range lines {
		path := fmt.Sprintf("/fl:rejected/%d", i)
		if err := checkIRI(line.Payee); err != nil {
			return at(path+"/payee", err)
		}
		if !line.Reason.ForLines() {
			return &Fault{Code: CodeValue, Path: path + "/reason", Rule: "a reason of lines"}
		}
	}
	return nil
}
