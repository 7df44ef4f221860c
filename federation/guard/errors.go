package guard

import (
	"errors"
	"fmt"
	"net"
	"net/http"
)

// Code is the kind of a failure, stable, for logs and metrics.
type Code string

// Codes of failures.
const (
	CodeBlocked     Code = "net.blocked"      // the address isn't public, or isn't an address we take
	CodeUnreachable Code = "net.unreachable"  // no such host, no connection, TLS
	CodeTimeout     Code = "net.timeout"      // not in time
	CodeTooLarge    Code = "net.too-large"    // more than MaxBody
	CodeRedirect    Code = "net.redirect"     // one too many, or to where none may lead
	CodeContentType Code = "net.content-type" // not what was asked for
	CodeStatus      Code = "net.status"       // not 200
	CodeDocument    Code = "net.document"     // not a document, or not the one at this address
)

// Error is a failed request.
type Error struct {
	Code   Code
	URL    string
	Status int // of CodeStatus
	Err    error
}

func (e *Error) Error() string {
	if e.Code == CodeStatus {
		return fmt.Sprintf("%s: %s: %d %s", e.Code, e.URL, e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s: %s: %v", e.Code, e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of a failure of this package, "" for another error.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// StatusOf is the HTTP status that a request failed with, 0 if it didn't come to one.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// IsBlocked tells whether a request was refused because of where it would have gone.
func IsBlocked(err error) bool { return CodeOf(err) == CodeBlocked }

// IsTemporary tells whether the same request may succeed later.
func IsTemporary(err error) bool {
	switch s := StatusOf(err); CodeOf(err) {
	case CodeUnreachable, CodeTimeout:
		return true
	case CodeStatus:
		return s >= 500 || s == http.StatusRequestTimeout || s == http.StatusTooManyRequests
	}
	return false
}

// IsPermanent tells whether a request has failed for good. An error of another package isn't judged.
func IsPermanent(err error) bool { return CodeOf(err) != "" && !IsTemporary(err) }

// failure sorts what net/http says.
func failure(address string, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	code := CodeUnreachable
	var timeout net.Error
	switch {
	case blocked(err):
		code = CodeBlocked
	case errors.As(err, &timeout) && timeout.Timeout():
		code = CodeTimeout
	}
	return &Error{Code: code, URL: address, Err: err}
}
