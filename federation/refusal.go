package federation

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// refuse answers with a problem document and logs one event.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := asRefusal(err)
	if f.status >= 500 && f.status != http.StatusServiceUnavailable { // that is for a moment, and others can cause it
		s.log.ErrorContext(r.Context(), f.code, "code", f.code, "instance", s.inst.Host, "error", err)
	} else {
		args := []any{"status", f.status, "detail", f.detail}
		if f.cause != nil {
			args = append(args, "error", f.cause.Error())
		}
		s.event(r.Context(), f.code, args...)
	}
	if !f.now.IsZero() {
		w.Header().Set("Date", f.now.UTC().Format(http.TimeFormat))
	}
	switch {
	case f.again > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.again.Seconds()))))
	case f.status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "30")
	}
	p := vocab.Problem{Type: f.kind, Status: f.status, Title: f.code, Detail: f.detail}
	if f.member != "" {
		p.Extra = map[string]any{"member": f.member}
	}
	s.problem(w, p)
}

// asRefusal is the one table from errors to answers (protocol §11).
func asRefusal(err error) *refusal {
	var f *refusal
	var sig *signature.Error
	var fault *vocab.Fault
	var claim *ledger.ClaimFault
	var field *ledger.FieldError
	var soon *ledger.TooSoon
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &sig):
		return sigRefusal(sig)
	case errors.As(err, &fault):
		p := vocab.ProblemOf(fault)
		return &refusal{code: fault.Code, status: p.Status, kind: p.Type, detail: fault.Error(), member: fault.Path}
	case errors.As(err, &claim):
		return claimRefusal(claim)
	case errors.As(err, &soon):
		return &refusal{status: http.StatusTooManyRequests, code: "statement.too-soon", detail: soon.Error(), again: soon.Again}
	case ledger.Waited(err):
		return refuse(http.StatusServiceUnavailable, "inbox.waited", "", "what is done there takes too long: ask again later")
	case errors.As(err, &field):
		return refuse(http.StatusBadRequest, "inbox.field", vocab.MalformedDocument, "%s", field.Error())
	case errors.Is(err, ledger.ErrConflict):
		return refuse(http.StatusConflict, "inbox.conflict", vocab.ContentConflict, "%s", firstLine(err))
	case errors.Is(err, ledger.ErrRefused):
		return refuse(http.StatusForbidden, "ap.owner", vocab.ActorNotAuthorized, "%s", firstLine(err))
	case errors.Is(err, ledger.ErrNotFound):
		return refuse(http.StatusNotFound, "inbox.not-found", vocab.ObjectDoesNotExist, "no such object here")
	case errors.Is(err, ledger.ErrFunds): // sums beyond what an account can hold
		return refuse(http.StatusUnprocessableEntity, "inbox.funds", vocab.TotalMismatch, "more than the books can hold")
	case guard.IsBlocked(err):
		return refuse(http.StatusForbidden, "net.blocked", vocab.ActorNotAuthorized, "the actor's address isn't public")
	}
	return refuse(http.StatusInternalServerError, "inbox.failed", "", "internal error")
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// sigRefusal: 401 makes Mastodon knock again in the other way of signing; 421 says wrong host.
func sigRefusal(e *signature.Error) *refusal {
	status := http.StatusUnauthorized
	if e.Code == signature.CodeTarget {
		status = http.StatusMisdirectedRequest
	}
	return &refusal{code: string(e.Code), status: status, kind: vocab.PrincipalNotAuthorized, detail: e.Error(), now: e.Now}
}

// claimRefusal: faults of a claim are no answer, so each says what may be corrected.
func claimRefusal(f *ledger.ClaimFault) *refusal {
	kind := map[string]string{"digest-mismatch": vocab.DigestMismatch, "total-mismatch": vocab.TotalMismatch,
		"period-not-closed": vocab.PeriodNotSettled, "period-unknown": vocab.PeriodNotSettled, "unknown-currency": vocab.UnknownCurrency}[f.Code]
	status := http.StatusUnprocessableEntity
	switch f.Code {
	case "frozen":
		status, kind = http.StatusForbidden, vocab.ActorNotAuthorized
	case "malformed":
		status, kind = http.StatusBadRequest, vocab.MalformedDocument
	case "unknown-claim":
		kind = vocab.ObjectDoesNotExist
	case "reconciling":
		status, kind = http.StatusServiceUnavailable, ""
	}
	return &refusal{code: "claim." + f.Code, status: status, kind: kind, detail: f.Detail}
}
