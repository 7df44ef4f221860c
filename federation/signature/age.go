package signature

import (
	"fmt"
	"net/http"
	"time"
)

const (
	// DefaultSkew is how far a sender's clock may be from ours, either way: the
	// hour that Mastodon allows, and other servers count on.
	DefaultSkew = time.Hour

	// clockDrift is how far ahead a creation time may lie, and how far back an
	// expiry: ten seconds, which go-fed/httpsig has built in, for both kinds.
	// Whoever signs a Date instead has the whole skew.
	clockDrift = 10 * time.Second
)

// CheckAge refuses with CodeAge what is older or newer than maxSkew (DefaultSkew
// if zero). Parse has done it once; it is for a caller that, having read the body,
// allows less: ten minutes for what moves money.
func (s *Signed) CheckAge(now time.Time, maxSkew time.Duration) error {
	if maxSkew == 0 {
		maxSkew = DefaultSkew
	}
	switch {
	case !s.Date.IsZero() && now.Sub(s.Date).Abs() > maxSkew:
		return outOfTime(now, "date", s.Date, "is more than %v from our clock", maxSkew)
	case !s.Created.IsZero() && now.Sub(s.Created) > maxSkew:
		return outOfTime(now, "created", s.Created, "is more than %v ago", maxSkew)
	case s.Created.Sub(now) > clockDrift:
		return outOfTime(now, "created", s.Created, "is more than %v ahead", clockDrift)
	case !s.Expires.IsZero() && now.Sub(s.Expires) > clockDrift:
		return outOfTime(now, "expires", s.Expires, "is more than %v ago", clockDrift)
	}
	return nil
}

func outOfTime(now time.Time, field string, given time.Time, rule string, limit time.Duration) error {
	return &Error{
		Code:  CodeAge,
		Field: field,
		Rule:  given.UTC().Format(time.RFC3339) + " " + fmt.Sprintf(rule, limit),
		Now:   now,
	}
}

// signedDate reads a signed Date header. Two of them would be signed as one
// line, and read as the first: refused.
func signedDate(header http.Header) (time.Time, error) {
	values := header.Values("Date")
	if len(values) == 0 {
		return time.Time{}, nil
	}
	date, err := http.ParseTime(values[0])
	if err != nil || len(values) > 1 || date.IsZero() {
		return time.Time{}, refuse(CodeBad, "date", "%.80q isn't one HTTP date", values)
	}
	return date, nil
}

// signedTime turns Unix seconds into a time, refusing what no clock shows.
func signedTime(field string, seconds int64) (time.Time, error) {
	if seconds <= 0 || seconds > 1<<40 {
		return time.Time{}, refuse(CodeBad, field, "%d isn't a time", seconds)
	}
	return time.Unix(seconds, 0), nil
}
