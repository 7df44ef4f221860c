package ledger

import (
	"regexp"
	"time"
)

var periodForm = regexp.MustCompile(`^[0-9]{4}-(0[1-9]|1[0-2])$`)

// PeriodOf is the month of a time, "YYYY-MM" in UTC.
func PeriodOf(t time.Time) string { return t.UTC().Format("2006-01") }

// ValidPeriod tells whether s has the form YYYY-MM.
func ValidPeriod(s string) bool { return periodForm.MatchString(s) }

// NextPeriod is the month after a valid period.
func NextPeriod(period string) string { return PeriodOf(PeriodEnd(period)) }

// PeriodStart is the first instant of a valid period.
func PeriodStart(period string) time.Time {
	start, err := time.Parse("2006-01", period)
	if err != nil {
		panic("ledger: internal error: period " + period)
	}
	return start
}

// PeriodEnd is the first instant after a valid period.
func PeriodEnd(period string) time.Time { return PeriodStart(period).AddDate(0, 1, 0) }
