package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Violation is a row that breaks an invariant (protocol §10).
type Violation struct {
	Invariant string // a stable code, e.g. "account-totals"
	Row       string // the table and its key, e.g. "transfer 12", with what is wrong
}

func (v Violation) String() string { return v.Invariant + ": " + v.Row }

// ErrInvariant: Check found at least one violation.
var ErrInvariant = errors.New("an invariant is broken")

// Check runs every invariant that one instance can see, on one consistent snapshot, and returns
// every row that breaks one. The books are compared in both directions: each business row must have
// exactly the transfers that its state calls for, each transfer must have its row, each account must
// be the sum of its transfers, and each settled share must be what the split makes it.
func (l *Ledger) Check(ctx context.Context) ([]Violation, error) {
	var found []Violation
	err := l.snapshot(ctx, func(tx pgx.Tx) (err error) {
		found, err = l.check(ctx, tx)
		return err
	})
	return found, err
}

// snapshot runs f on a state of the database that doesn't move.
func (l *Ledger) snapshot(ctx context.Context, f func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, l.pool,
		pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead}, f)
}

func (l *Ledger) check(ctx context.Context, tx pgx.Tx) ([]Violation, error) {
	var found []Violation
	for _, q := range invariants {
		broken, err := rows[struct{ Row string }](tx.Query(ctx, q.sql))
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", q.code, err)
		}
		for _, b := range broken {
			found = append(found, Violation{Invariant: q.code, Row: b.Row})
		}
	}
	for _, f := range []func(context.Context, pgx.Tx) ([]Violation, error){l.checkShares, l.checkLines} {
		broken, err := f(ctx, tx)
		if err != nil {
			return nil, err
		}
		found = append(found, broken...)
	}
	return found, nil
}

// checkShares splits every settled budget again and compares each share with the result.
func (l *Ledger) checkShares(ctx context.Context, tx pgx.Tx) ([]Violation, error) {
	type settled struct {
		Reservation  int64
		Period       string
		Name         string
		Budget       int64
		IRI          string
		Giver, Thing int64
		Amount       *int64
	}
	all, err := rows[settled](tx.Query(ctx, `
		select r.id as reservation, r.period, m.name, r.amount as budget, t.iri, f.giver, f.thing, s.amount
		from reservation r join member m on m.id = r.member join month o on o.period = r.period and o.state = 'settled'
		join flattr f on f.giver = r.member and f.period = r.period and f.state = 'accepted'
		join thing t on t.id = f.thing left join share s on s.giver = f.giver and s.thing = f.thing and s.period = f.period
		where r.state <> 'released' and `+settledReservation+` order by r.id, t.iri`))
	if err != nil {
		return nil, fmt.Errorf("check share-split: %w", err)
	}
	var found []Violation
	for _, mine := range chunkBy(all, func(s settled) int64 { return s.Reservation }) {
		ties := make([]Tie, len(mine))
		for i, s := range mine {
			ties[i] = TieOf(s.Period, l.inst.MemberIRI(s.Name), s.IRI)
		}
		for i, part := range Split(mine[0].Budget, ties) {
			if s := mine[i]; s.Amount == nil || *s.Amount != part {
				found = append(found, Violation{"share-split", fmt.Sprintf("share %d/%d/%s (reservation %d): %s, want %d",
					s.Giver, s.Thing, s.Period, s.Reservation, text(s.Amount), part)})
			}
		}
	}
	return found, nil
}

func text(n *int64) string {
	if n == nil {
		return "missing"
	}
	return fmt.Sprint(*n)
}

// storedLine is a claim with one of its lines, if it has any.
type storedLine struct {
	Claim  int64
	Digest string
	Line   *int64
	Payee  *string
	Amount *int64
	Things []byte
}

// checkLines computes every claim's digest again.
func (l *Ledger) checkLines(ctx context.Context, tx pgx.Tx) ([]Violation, error) {
	all, err := rows[storedLine](tx.Query(ctx, `
		select c.id as claim, c.digest, l.id as line, l.payee, l.amount, l.things
		from claim c left join claim_line l on l.claim = c.id
		where c.line_count > 0 or c.digest <> '' or l.id is not null
		order by c.id, l.payee collate "C"`))
	if err != nil {
		return nil, fmt.Errorf("check claim-digest: %w", err)
	}
	var found []Violation
	for _, mine := range chunkBy(all, func(s storedLine) int64 { return s.Claim }) {
		if digest, names := digestStored(mine); digest != mine[0].Digest {
			found = append(found, Violation{"claim-digest", fmt.Sprintf("claim %d: its lines (%s) have %s", mine[0].Claim, names, digest)})
		}
	}
	return found, nil
}

// digestStored is the digest of a claim's stored lines, or what makes it impossible, and their names.
func digestStored(stored []storedLine) (digest, names string) {
	var lines []Line
	var named []string
	for _, s := range stored {
		if s.Line == nil {
			continue
		}
		named = append(named, fmt.Sprintf("claim_line %d", *s.Line))
		things, err := readThings(s.Things)
		if err != nil {
			return err.Error(), strings.Join(named, ", ")
		}
		lines = append(lines, Line{Payee: *s.Payee, Amount: *s.Amount, Things: things})
	}
	digest, err := LinesDigest(lines)
	if err != nil {
		digest = err.Error()
	}
	return digest, strings.Join(named, ", ")
}
