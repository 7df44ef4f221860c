package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options change what Run believes and tells.
type Options struct {
	// Keys are accounting keys (Multikey) by host that are believed instead of what the database holds; the
	// instance's own host included.
	Keys map[string]string
	// WithoutDocuments leaves the signed documents out, for a dump that doesn't have them.
	WithoutDocuments bool
	// Progress, if set, is called after each step.
	Progress func(Count, time.Duration)
}

// Transaction is what Run's transaction should be: one snapshot, that a hot standby gives too.
var Transaction = pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead}

// maxFindings are kept; of the others only the number is told. Books that are altogether wrong must not fill
// the memory.
const maxFindings = 1000

// auditor is one run.
type auditor struct {
	tx      pgx.Tx
	options Options
	report  *Report
	last    time.Time // when the last step ended

	inst     instance
	months   []month
	monthAt  map[string]*month
	members  map[int64]member
	names    map[string]int64 // members by name
	peers    map[int64]*peer
	things   []thing
	thingAt  map[int64]int32  // places in things, by id
	thingIRI map[string]int32 // and by IRI

	authors authors

	lowered    map[int64]reversal  // by the reservation that was lowered
	departures map[int64]departure // by member

	collections map[string]*collection // of pledge months, by month and part

	accounts          map[int64]*account
	claims            map[int64]*claim
	claimIRI          map[string]*claim
	returned          map[string]bool // keys of claims of which some came back after a restore
	payments          map[int64]*payment
	advances          map[int64]*advance
	writeOffs         map[int64]*writeOff
	advanced, written map[int64]int64 // of what peers owe, what stands so in the end
	payIRI            map[string]*payment
	// refused says which refused line names a thing: by month and part, and the thing's place.
	refused map[string]map[int32]refusedLine

	sums    []sum           // of the month that is being derived, by the things' places
	later   map[int32][]sum // of the parts that supplement its settlement
	parts   []int64
	ties    []tie
	order   []int32
	scratch []byte
}

// Run audits the books that a transaction sees. The error tells that the audit couldn't be made; what it found is
// in the report.
func Run(ctx context.Context, tx pgx.Tx, o Options) (*Report, error) {
	a := &auditor{tx: tx, options: o, report: &Report{Began: time.Now().UTC()}, last: time.Now()}
	// Plans are for all rows of a cursor, not for the first ones; sorts may take some memory.
	if _, err := tx.Exec(ctx, `set local cursor_tuple_fraction = 1; set local work_mem = '64MB'; set local jit = off`); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"settings", a.readSettings}, {"departures", a.readDepartures}, {"collections", a.readCollections}, {"things", a.readThings},
		{"authors", a.readAuthors}, {"claims", a.checkClaims}, {"payments", a.checkPayments},
		{"allocations", a.checkLineAllocations}, {"reversals", a.readReversals}, {"months", a.checkMonths}, {"carried flattrs", a.checkCarried}, {"unclaimed flattrs", a.checkUnclaimed}, {"fees", a.checkFees}, {"causes", a.checkHeirs},
		{"books", a.checkBooks}, {"documents", a.checkDocuments},
	} {
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("audit %s: %w", step.name, err)
		}
	}
	a.report.Took = time.Since(a.report.Began).Seconds()
	return a.report, nil
}

// find notes a finding.
func (a *auditor) find(f Finding) {
	if len(a.report.Findings) == maxFindings {
		a.report.More++
		return
	}
	a.report.Findings = append(a.report.Findings, f)
}

// same notes a finding if a column isn't what it must be.
func same[T comparable](a *auditor, at Finding, column string, expected, found T) {
	if expected != found {
		at.Column, at.Expected, at.Found = column, fmt.Sprint(expected), fmt.Sprint(found)
		a.find(at)
	}
}

// verified counts what a step has looked at.
func (a *auditor) verified(what string, rows int64) {
	c := Count{What: what, Rows: rows}
	a.report.Verified = append(a.report.Verified, c)
	if a.options.Progress != nil {
		a.options.Progress(c, time.Since(a.last))
	}
	a.last = time.Now()
}
