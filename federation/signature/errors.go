package signature

import (
	"errors"
	"fmt"
	"time"
)

// Code is the kind of a refusal, stable, for logs and metrics.
type Code string

const (
	CodeMissing   Code = "sig.missing"   // no signature, or no proof
	CodeCoverage  Code = "sig.coverage"  // the signature leaves out something that matters
	CodeDigest    Code = "sig.digest"    // the body isn't the one digested
	CodeAge       Code = "sig.age"       // too old, too new or expired; Error.Now is set
	CodeTarget    Code = "sig.target"    // meant for another host: answer 421, all others 401
	CodeAlgorithm Code = "sig.algorithm" // an algorithm that isn't taken, or not with this key
	CodeKey       Code = "sig.key"       // a key that isn't taken, or not the one named
	CodeBad       Code = "sig.bad"       // malformed, or the arithmetic doesn't come out
)

// Error is a refusal. Its text names the field and the rule, and is safe to log
// and to send to the peer: it holds no secret, and at most 80 characters of each
// value the peer sent, quoted.
type Error struct {
	Code  Code
	Field string
	Rule  string

	// Now is the clock that the time was compared with, set for CodeAge only:
	// the answer carries it as Date, so that a peer sees whose clock is wrong.
	Now time.Time
}

// Error is one line: code, field, rule.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s: %s", e.Code, e.Field, e.Rule)
}

// CodeOf is the code of a refusal by this package, or "" for any other error.
func CodeOf(err error) Code {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

func refuse(code Code, field, rule string, args ...any) error {
	return &Error{Code: code, Field: field, Rule: fmt.Sprintf(rule, args...)}
}
