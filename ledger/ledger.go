package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Ledger is one instance's books. Every exported method is one use case and one transaction.
type Ledger struct {
	pool   *pgxpool.Pool
	now    func() time.Time
	outbox Outbox
	inst   Instance
	log    *slog.Logger
}

// Outbox takes what must be told to other instances, inside the ledger's own transaction, so that
// "it happened" and "it will be told" are the same commit.
type Outbox interface {
	Enqueue(ctx context.Context, tx pgx.Tx, messages ...Message) error
}

// Message names one thing to tell. It carries no content: the sender renders that from immutable
// rows, so that every retry says the same.
type Message struct {
	Kind string // one of the Tell constants
	Key  string // the row: a flattr's uuid, a Like's id, a claim's or payment's iri, a button's id
	To   string // the actor told (an IRI), or for money the peer's host
}

// What an instance tells others (protocol §§3–9).
const (
	TellLike           = "like"
	TellUndo           = "undo"
	TellAccept         = "accept"
	TellTentative      = "tentative-accept"
	TellReject         = "reject"
	TellClaim          = "claim"
	TellClaimAnswer    = "claim-answer"
	TellPayment        = "payment"
	TellPaymentAnswer  = "payment-answer"
	TellButton         = "create-page"
	TellAcceptFollow   = "accept-follow"
	microPerCent       = 10_000
	unitPerMicro       = 1_000_000
	claimGrace         = 24 * time.Hour
	nextPeriodLeeway   = time.Hour
	maxCarries         = 3
	maxSerialisations  = 8
	maxAmount          = 999_999_999_999_999_999 // protocol §8: at most 18 digits
	defaultReservation = 0
)

// Options are what a Ledger needs from outside.
type Options struct {
	Pool   *pgxpool.Pool
	Now    func() time.Time // the clock; nil means time.Now
	Outbox Outbox           // where to tell; required
	Log    *slog.Logger     // nil means slog.Default()
}

// Open reads the instance's row and returns its ledger. It returns ErrNotFound when the database
// holds no instance yet: see Create.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	l := &Ledger{pool: o.Pool, now: o.Now, outbox: o.Outbox, log: o.Log}
	if l.now == nil {
		l.now = time.Now
	}
	if l.log == nil {
		l.log = slog.Default()
	}
	inst, err := readInstance(ctx, l.pool)
	if err != nil {
		return nil, err
	}
	l.inst = inst
	return l, nil
}

// Instance returns the policy and identity of this instance.
func (l *Ledger) Instance() Instance { return l.inst }

// Now is the ledger's clock, in UTC.
func (l *Ledger) Now() time.Time { return l.now().UTC().Truncate(time.Microsecond) }

// Tx is one use case: a database transaction with its time frozen at begin.
type Tx struct {
	pgx.Tx
	at time.Time
	l  *Ledger
}

// tx runs f in one transaction and retries serialisation failures and deadlocks
// (40001, 40P01), which PostgreSQL resolves by aborting one side.
func (l *Ledger) tx(ctx context.Context, f func(tx *Tx) error) error {
	var err error
	for range maxSerialisations {
		if err = l.once(ctx, f); !retryable(err) {
			return err
		}
	}
	return err
}

func (l *Ledger) once(ctx context.Context, f func(tx *Tx) error) error {
	raw, err := l.pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer raw.Rollback(context.WithoutCancel(ctx)) // a no-op after commit
	if err := f(&Tx{Tx: raw, at: l.Now(), l: l}); err != nil {
		return err
	}
	return raw.Commit(ctx)
}

func retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// tell enqueues messages in the transaction.
func (tx *Tx) tell(ctx context.Context, messages ...Message) error {
	if len(messages) == 0 {
		return nil
	}
	return tx.l.outbox.Enqueue(ctx, tx.Tx, messages...)
}

// queryer is what reads need: a pool or a transaction.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// rows collects structs by column name.
func rows[T any](ctx context.Context, q queryer, sql string, args ...any) ([]T, error) {
	r, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(r, pgx.RowToStructByName[T])
}

// row collects one struct, or ErrNotFound.
func row[T any](ctx context.Context, q queryer, sql string, args ...any) (T, error) {
	var zero T
	r, err := q.Query(ctx, sql, args...)
	if err != nil {
		return zero, err
	}
	v, err := pgx.CollectExactlyOneRow(r, pgx.RowToStructByName[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return zero, ErrNotFound
	}
	return v, err
}
