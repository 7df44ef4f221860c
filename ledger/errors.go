package ledger

import (
	"errors"
	"fmt"
)

// The sentinels that callers tell apart. Two tables map them: web pages and inbox replies.
var (
	// ErrNotFound: no such row, or not this member's.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the same key came with other content; the first content stands.
	ErrConflict = errors.New("conflict")
	// ErrRefused: well formed, but a rule forbids it.
	ErrRefused = errors.New("refused")
	// ErrClosed: the month no longer, or not yet, takes this.
	ErrClosed = errors.New("month closed")
	// ErrFunds: an account would break its sign rule.
	ErrFunds = errors.New("not enough money")
)

// FieldError is bad input: it names the field and the rule it broke. It is an ErrRefused.
// Rule is a stable code such as "required", "taken", "amount", used as a message key by the pages.
type FieldError struct {
	Field string
	Rule  string
}

func (e *FieldError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Rule) }

// Is makes every FieldError an ErrRefused.
func (e *FieldError) Is(target error) bool { return target == ErrRefused }

// ClaimFault is a fault of a claim itself: no answer is given, nothing is stored, and the same id
// may be sent again, corrected (protocol §8). Code is the problem type's last part.
type ClaimFault struct {
	Code   string // digest-mismatch, total-mismatch, period-not-closed, unknown-currency, malformed, frozen
	Detail string
}

func (e *ClaimFault) Error() string { return e.Code + ": " + e.Detail }

// Is makes every ClaimFault an ErrRefused.
func (e *ClaimFault) Is(target error) bool { return target == ErrRefused }

func refused(field, rule string) error { return &FieldError{Field: field, Rule: rule} }
