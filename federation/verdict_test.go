package federation

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// TestVerdicts is the table of what becomes of a message by the status that it got. For what moves money
// no status is terminal, 410 included (protocol §8).
func TestVerdicts(t *testing.T) {
	t.Parallel()
	likes := []string{ledger.TellLike, ledger.TellUndo, ledger.TellAccept, ledger.TellTentative, ledger.TellReject,
		ledger.TellButton, ledger.TellAcceptFollow}
	money := []string{ledger.TellClaim, ledger.TellClaimAnswer, ledger.TellPayment, ledger.TellPaymentAnswer}
	for status, want := range map[int]Outcome{200: Done, 201: Done, 202: Done, 204: Done, 299: Done,
		100: Retry, 301: Retry, 302: Retry, 307: Retry, 400: Stopped, 401: Stopped, 403: Stopped, 404: Stopped, 405: Stopped, 409: Stopped,
		410: Stopped, 413: Stopped, 421: Stopped, 422: Stopped, 408: Retry, 429: Retry, 500: Retry, 502: Retry, 503: Retry, 599: Retry} {
		for _, kind := range likes {
			if got := outcome(kind, status); got != want {
				t.Errorf("%s got %d: %d, want %d", kind, status, got, want)
			}
		}
		if want != Done {
			want = Retry
		}
		for _, kind := range money {
			if got := outcome(kind, status); got != want {
				t.Errorf("%s got %d: %d, want %d", kind, status, got, want)
			}
		}
	}
}

// TestLookupVerdicts is the same for a recipient that couldn't be looked up.
func TestLookupVerdicts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		like Outcome
	}{
		"unreachable":       {&guard.Error{Code: guard.CodeUnreachable}, Retry},
		"slow":              {&guard.Error{Code: guard.CodeTimeout}, Retry},
		"500":               {&guard.Error{Code: guard.CodeStatus, Status: 500}, Retry},
		"429":               {&guard.Error{Code: guard.CodeStatus, Status: 429}, Retry},
		"404":               {&guard.Error{Code: guard.CodeStatus, Status: 404}, Stopped},
		"410":               {fmt.Errorf("look up: %w", &guard.Error{Code: guard.CodeStatus, Status: 410}), Stopped},
		"a private network": {&guard.Error{Code: guard.CodeBlocked}, Stopped},
		"our own database":  {errors.New("no connection"), Retry},
	} {
		if got := fetchOutcome(ledger.TellLike, c.err); got != c.like {
			t.Errorf("%s: a like is %d, want %d", name, got, c.like)
		}
		if got := fetchOutcome(ledger.TellClaim, c.err); got != Retry {
			t.Errorf("%s: a claim is %d", name, got)
		}
	}
}

// TestBackoff: waits double with jitter up to an hour, for money up to a day; and money's attempts last
// for longer than anybody lives.
func TestBackoff(t *testing.T) {
	t.Parallel()
	w := &deliverWorker{}
	for kind, limit := range map[string]time.Duration{ledger.TellLike: time.Hour, ledger.TellClaim: 24 * time.Hour, ledger.TellPaymentAnswer: 24 * time.Hour} {
		for _, attempt := range []int{1, 2, 5, 10, 13, 20, 200, 32_000} {
			want := limit
			if attempt < 18 {
				want = min(limit, time.Second<<(attempt-1))
			}
			job := &river.Job[deliverArgs]{JobRow: &rivertype.JobRow{Attempt: attempt}, Args: deliverArgs{What: kind}}
			for range 20 {
				if wait := time.Until(w.NextRetry(job)); wait < want/2-time.Second || wait > want*3/2 {
					t.Errorf("%s after attempt %d: %v, want about %v", kind, attempt, wait, want)
				}
			}
		}
	}
	if years := moneyAttempts / 366; years < 80 {
		t.Errorf("money is told for %d years", years)
	}
}

// TestRefusalTable: each kind of error has one answer (protocol §11), and what went wrong inside isn't told.
func TestRefusalTable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		kind   string
	}{
		"a bad signature":   {&signature.Error{Code: signature.CodeBad}, http.StatusUnauthorized, vocab.PrincipalNotAuthorized},
		"a wrong target":    {&signature.Error{Code: signature.CodeTarget}, http.StatusMisdirectedRequest, vocab.PrincipalNotAuthorized},
		"a document":        {&vocab.Fault{Code: vocab.CodeSyntax}, http.StatusBadRequest, vocab.MalformedDocument},
		"its size":          {&vocab.Fault{Code: vocab.CodeSize}, http.StatusRequestEntityTooLarge, vocab.MalformedDocument},
		"a wrong type":      {&vocab.Fault{Code: vocab.CodeType}, http.StatusBadRequest, vocab.UnsupportedType},
		"a digest":          {&ledger.ClaimFault{Code: "digest-mismatch"}, http.StatusUnprocessableEntity, vocab.DigestMismatch},
		"a total":           {&ledger.ClaimFault{Code: "total-mismatch"}, http.StatusUnprocessableEntity, vocab.TotalMismatch},
		"a month":           {&ledger.ClaimFault{Code: "period-not-closed"}, http.StatusUnprocessableEntity, vocab.PeriodNotSettled},
		"a currency":        {&ledger.ClaimFault{Code: "unknown-currency"}, http.StatusUnprocessableEntity, vocab.UnknownCurrency},
		"a form":            {&ledger.ClaimFault{Code: "malformed"}, http.StatusBadRequest, vocab.MalformedDocument},
		"a frozen peer":     {&ledger.ClaimFault{Code: "frozen"}, http.StatusForbidden, vocab.ActorNotAuthorized},
		"an unknown claim":  {&ledger.ClaimFault{Code: "unknown-claim"}, http.StatusUnprocessableEntity, vocab.ObjectDoesNotExist},
		"a field":           {&ledger.FieldError{Field: "period", Rule: "form"}, http.StatusBadRequest, vocab.MalformedDocument},
		"a conflict":        {fmt.Errorf("%w: x", ledger.ErrConflict), http.StatusConflict, vocab.ContentConflict},
		"a rule":            {fmt.Errorf("%w: x", ledger.ErrRefused), http.StatusForbidden, vocab.ActorNotAuthorized},
		"nothing there":     {ledger.ErrNotFound, http.StatusNotFound, vocab.ObjectDoesNotExist},
		"too much":          {fmt.Errorf("%w: x", ledger.ErrFunds), http.StatusUnprocessableEntity, vocab.TotalMismatch},
		"a private address": {&guard.Error{Code: guard.CodeBlocked}, http.StatusForbidden, vocab.ActorNotAuthorized},
		"a stranger's 404":  {keyRefusal(&guard.Error{Code: guard.CodeStatus, Status: 404}), http.StatusUnauthorized, vocab.PrincipalNotAuthorized},
		"a stranger's 500":  {keyRefusal(&guard.Error{Code: guard.CodeStatus, Status: 500}), http.StatusServiceUnavailable, ""},
		"the database":      {errors.New("password of the database"), http.StatusInternalServerError, ""},
	} {
		f := asRefusal(fmt.Errorf("wrapped: %w", c.err))
		if f.status != c.status || f.kind != c.kind || f.code == "" {
			t.Errorf("%s: %d %s %s", name, f.status, f.kind, f.code)
		}
		if c.status == http.StatusInternalServerError && f.detail != "internal error" {
			t.Errorf("%s is told: %s", name, f.detail)
		}
	}
}
