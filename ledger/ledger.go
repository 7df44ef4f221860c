package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Ledger is one instance's books. Every exported method is one use case and one transaction.
type Ledger struct {
	pool   *pgxpool.Pool
	now    func() time.Time
	outbox Outbox
	inst   Instance
	log    *slog.Logger

	settled sync.Map // of months for the public, once read: settledSums by period

	// Those who meet in an account of the instance, the bank's or clearing, are committed together.
	deposits    *journal.Committer[paidIn, string, Deposit]
	withdrawals *journal.Committer[askedWithdrawal, int64, Withdrawal]
	budgets     *journal.Committer[chosenBudget, int64, struct{}]
	noNetting   bool
}

// Outbox takes what must be told to other instances, inside the ledger's own transaction, so that
// "it happened" and "it will be told" are the same commit.
type Outbox interface {
	Enqueue(ctx context.Context, tx pgx.Tx, messages ...Message) error
	Archive
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
	TellStatement      = "statement"       // key: the peer's host, and if it asked, its statement's id behind a space
	TellReturn         = "return"          // key: the id of what the peer lacks; it is told with the answer, if there is one
	TellSplit          = "split"           // key: the version's IRI; to: a host of its authors
	TellSplitAnswer    = "split-answer"    // key: the version's IRI and behind a space the author
	TellSplitWithdrawn = "split-withdrawn" // key: the version's IRI
	TellPage           = "update-page"     // key: a button's id; to: a host
	TellButton         = "create-page"
	TellAcceptFollow   = "accept-follow"
	LookAgain          = "look-again" // nobody is told: what stands at an unclaimed thing's site is looked at. Key: its id
	microPerCent       = 10_000
	unitPerMicro       = 1_000_000
	claimGrace         = 24 * time.Hour
	nextPeriodLeeway   = time.Hour
	maxCarries         = 3
	maxAmount          = 999_999_999_999_999_999 // protocol §8: at most 18 digits
)

// Options are what a Ledger needs from outside.
type Options struct {
	Pool   *pgxpool.Pool
	Now    func() time.Time // the clock; nil means time.Now
	Outbox Outbox           // where to tell; required. It keeps documents too
	Log    *slog.Logger     // nil means slog.Default()
	// NoNetting leaves what both sides owe to be paid by bank.
	NoNetting bool
}

// Open reads the instance's row and returns its ledger. It returns ErrNotFound when the database
// holds no instance yet: see Create.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	l := &Ledger{pool: o.Pool, now: o.Now, outbox: o.Outbox, log: o.Log, noNetting: o.NoNetting}
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
	l.deposits = together(l, func(p paidIn) string { return p.reference }, (*Tx).recordDeposits)
	l.withdrawals = together(l, func(a askedWithdrawal) int64 { return a.by }, (*Tx).askWithdrawals)
	l.budgets = together(l, func(c chosenBudget) int64 { return c.by }, (*Tx).setBudgets)
	return l, nil
}

// together commits what is asked for at the same time in one transaction.
func together[T any, K comparable, R any](l *Ledger, key func(T) K, f func(tx *Tx, ctx context.Context, all []T) ([]journal.Verdict[R], error)) *journal.Committer[T, K, R] {
	return journal.NewCommitter(key, func(ctx context.Context, all []T) (verdicts []journal.Verdict[R], err error) {
		err = l.tx(ctx, func(tx *Tx) error {
			verdicts, err = f(tx, ctx, all)
			return err
		})
		return verdicts, err
	})
}

// Instance returns the policy and identity of this instance.
func (l *Ledger) Instance() Instance { return l.inst }

// Now is the ledger's clock, in UTC.
func (l *Ledger) Now() time.Time { return l.now().UTC().Truncate(time.Microsecond) }

// Tx is one use case: a database transaction with its time frozen at begin.
type Tx struct {
	pgx.Tx
	at      time.Time
	l       *Ledger
	funding string     // of the open month, once it is locked
	told    []Message  // enqueued with the commit
	kept    []Document // kept with it
	said    []func()   // logged after it
}

// tx runs f in one transaction, and again if it gave way, or if what it posted has to be judged one by one
// (journal.Pool.Do).
func (l *Ledger) tx(ctx context.Context, f func(tx *Tx) error) error {
	var err error
	for range MaxTries {
		if err = l.once(ctx, f); !GaveWay(err) {
			return err
		}
	}
	return err
}

func (l *Ledger) once(ctx context.Context, f func(tx *Tx) error) error {
	return journal.Pool{Pool: l.pool}.Do(ctx, func(raw pgx.Tx) error {
		tx := &Tx{Tx: raw, at: l.Now(), l: l}
		if err := f(tx); err != nil {
			return err
		}
		return tx.commit(ctx)
	})
}

// begin starts a use case. What other instances cause is written with it and without tx, so that few
// functions stand between an inbox and the statement; the inbox does again what gave way.
func (l *Ledger) begin(ctx context.Context) (*Tx, error) {
	raw, err := journal.Pool{Pool: l.pool}.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return &Tx{Tx: raw, at: l.Now(), l: l}, nil
}

// commit enqueues what the use case has told and ends it, in one commit.
func (tx *Tx) commit(ctx context.Context) error {
	if len(tx.told) > 0 {
		if err := tx.l.outbox.Enqueue(ctx, tx.Tx, tx.told...); err != nil {
			return fmt.Errorf("enqueue: %w", err)
		}
	}
	if len(tx.kept) > 0 {
		if err := tx.l.outbox.Keep(ctx, tx.Tx, tx.kept...); err != nil {
			return fmt.Errorf("keep: %w", err)
		}
	}
	err := tx.Commit(ctx)
	for _, say := range tx.said {
		if err == nil {
			say()
		}
	}
	return err
}

// event logs something for the operators with a stable code, once it is committed.
func (tx *Tx) event(code string, args ...any) {
	tx.said = append(tx.said, func() {
		tx.l.log.Warn(code, append([]any{"code", code, "instance", tx.l.inst.Host}, args...)...)
	})
}

// tell has other instances told of something once it is committed.
func (tx *Tx) tell(messages ...Message) { tx.told = append(tx.told, messages...) }

// MaxTries is how often a use case that gave way is tried in all.
const MaxTries = 8

// GaveWay tells whether a use case failed only because it met another, which PostgreSQL resolves by aborting one
// side. Nothing was changed, and the same call may succeed now.
func GaveWay(err error) bool { return journal.GaveWay(err) }

// Waited tells whether a use case failed because another holds what it needs for longer than anybody waits: nothing was
// changed, and the same call may succeed later.
func Waited(err error) bool {
	refusal := new(pgconn.PgError)
	return errors.As(err, &refusal) && refusal.Code == lockNotAvailable
}

// lockNotAvailable is PostgreSQL's code for it: the connection's lock_timeout is over.
const lockNotAvailable = "55P03"

// queryer is what reads need: a pool or a transaction.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// ids collects one column of row ids.
func ids(found pgx.Rows, err error) ([]int64, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[int64])
}

// rows collects the structs that a query found, by column name: rows[Thing](tx.Query(…)).
func rows[T any](found pgx.Rows, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByName[T])
}

// each calls f with every struct that a query finds, one after the other: for results that may be larger
// than what memory should hold.
func each[T any](found pgx.Rows, err error, f func(T) error) error {
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		v, err := pgx.RowToStructByName[T](found)
		if err == nil {
			err = f(v)
		}
		if err != nil {
			return err
		}
	}
	return found.Err()
}

// row collects the one struct that a query found, or ErrNotFound.
func row[T any](found pgx.Rows, err error) (T, error) {
	var zero T
	if err != nil {
		return zero, err
	}
	v, err := pgx.CollectExactlyOneRow(found, pgx.RowToStructByName[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return zero, ErrNotFound
	}
	return v, err
}
