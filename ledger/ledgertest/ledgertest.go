// Package ledgertest is the test kit of everything that touches money: a real ledger on a database
// of its own, a clock that is turned by hand, an outbox that keeps what would be told, and builders
// for members and buttons.
package ledgertest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger"
)

// Start is when every test ledger begins, unless its clock is turned.
var Start = time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)

// Clock is a clock that only moves when it is told to.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock stands at a time.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// Now reads it.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Set turns it.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// Outbox keeps messages in a table, in the ledger's own transaction, so that a rolled-back use case
// tells nothing here either.
type Outbox struct {
	pool *pgxpool.Pool
	// Archive keeps documents instead of this outbox, if it is set.
	Archive ledger.Archive
}

// Enqueue stores messages.
func (o *Outbox) Enqueue(ctx context.Context, tx pgx.Tx, messages ...ledger.Message) error {
	for _, m := range messages {
		if _, err := tx.Exec(ctx, `insert into test_outbox (kind, key, recipient) values ($1, $2, $3)`,
			m.Kind, m.Key, m.To); err != nil {
			return err
		}
	}
	return nil
}

// Keep stores documents in a table.
func (o *Outbox) Keep(ctx context.Context, tx pgx.Tx, documents ...ledger.Document) error {
	if o.Archive != nil {
		return o.Archive.Keep(ctx, tx, documents...)
	}
	for _, d := range documents {
		if _, err := tx.Exec(ctx, `insert into test_document (id, body) values ($1, $2) on conflict do nothing`, d.ID, d.Body); err != nil {
			return err
		}
	}
	return nil
}

// Contents are the digests of what is kept.
func (o *Outbox) Contents(ctx context.Context, tx pgx.Tx, ids []string) (map[string]string, error) {
	if o.Archive != nil {
		return o.Archive.Contents(ctx, tx, ids)
	}
	found, err := tx.Query(ctx, `select id, encode(sha256(body), 'hex') from test_document where id = any($1)`, ids)
	if err != nil {
		return nil, err
	}
	contents := map[string]string{}
	var id, content string
	_, err = pgx.ForEachRow(found, []any{&id, &content}, func() error { contents[id] = content; return nil })
	return contents, err
}

// Take removes and returns what was told since the last Take, oldest first.
func (o *Outbox) Take(t testing.TB) []ledger.Message {
	t.Helper()
	r, err := o.pool.Query(context.Background(), `
		with gone as (delete from test_outbox returning id, kind, key, recipient)
		select kind, key, recipient from gone order by id`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(r, func(row pgx.CollectableRow) (m ledger.Message, err error) {
		return m, row.Scan(&m.Kind, &m.Key, &m.To)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Instance is a ledger under test.
type Instance struct {
	*ledger.Ledger
	Pool    *pgxpool.Pool
	Outbox  *Outbox
	Clock   *Clock
	Op      ledger.Member // an operator
	t       testing.TB
	after   []func() // the test's end
	options []func(*ledger.Options)
}

// Option changes how New makes an instance.
type Option func(*ledger.Instance, **Clock)

// Host names the instance; the default is a.example.
func Host(host string) Option {
	return func(i *ledger.Instance, _ **Clock) { i.Host, i.BaseURL, i.Name = host, "https://"+host, host }
}

// Reciprocity sets the policy; the default is off.
func Reciprocity(policy string) Option {
	return func(i *ledger.Instance, _ **Clock) { i.Reciprocity = policy }
}

// Policy changes the instance's policies.
func Policy(set func(*ledger.Instance)) Option {
	return func(i *ledger.Instance, _ **Clock) { set(i) }
}

// WithClock shares a clock between instances.
func WithClock(c *Clock) Option { return func(_ *ledger.Instance, clock **Clock) { *clock = c } }

// New makes a ledger on a database of its own, with the operator "op". When the test ends, the
// ledger's invariants are checked and its books audited: a test that touched money can't forget to.
func New(t testing.TB, options ...Option) *Instance {
	t.Helper()
	clock := NewClock(Start)
	inst := ledger.Instance{Host: "a.example", BaseURL: "https://a.example", Name: "a.example", Currency: "EUR",
		Reciprocity: ledger.ReciprocityOff, GraceSeconds: 86400}
	for _, o := range options {
		o(&inst, &clock)
	}
	return NewOn(t, DB(t), inst, clock)
}

// NewOn makes a ledger on a given database.
func NewOn(t testing.TB, pool *pgxpool.Pool, inst ledger.Instance, clock *Clock, options ...func(*ledger.Options)) *Instance {
	t.Helper()
	ctx := context.Background()
	box := &Outbox{pool: pool}
	_, err := pool.Exec(ctx, `
		create table if not exists test_outbox (
		  id bigint generated always as identity, kind text not null, key text not null, recipient text not null);
		create table if not exists test_document (id text primary key, body bytea not null)`)
	if err == nil {
		err = ledger.Create(ctx, pool, inst, clock.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := openLedger(pool, clock, box, options)
	if err != nil {
		t.Fatal(err)
	}
	i := &Instance{Ledger: l, Pool: pool, Outbox: box, Clock: clock, t: t, options: options}
	op, err := l.CreateOperator(ctx, ledger.Joining{Name: "op", PasswordHash: "x", Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	i.Op = op
	t.Cleanup(func() { i.MustCheck(); i.end() })
	return i
}

func openLedger(pool *pgxpool.Pool, clock *Clock, box *Outbox, options []func(*ledger.Options)) (*ledger.Ledger, error) {
	o := ledger.Options{Pool: pool, Now: clock.Now, Outbox: box, Log: slog.New(slog.DiscardHandler)}
	for _, set := range options {
		set(&o)
	}
	return ledger.Open(context.Background(), o)
}

// NoNetting leaves all that is owed to be paid by bank.
func NoNetting(o *ledger.Options) { o.NoNetting = true }

// MustCheck fails the test on any broken invariant, and on anything that the audit finds.
func (i *Instance) MustCheck() {
	i.t.Helper()
	found, err := i.Check(context.Background())
	if err != nil {
		i.t.Errorf("%s: check: %v", i.Instance().Host, err)
	}
	for _, v := range found {
		i.t.Errorf("%s: %s", i.Instance().Host, v)
	}
	i.mustAudit()
}

// Instance returns the ledger's identity; the embedded method has the same name as this type.
func (i *Instance) Instance() ledger.Instance { return i.Ledger.Instance() }

// Join makes a member.
func (i *Instance) Join(name string) ledger.Member {
	i.t.Helper()
	ctx := context.Background()
	invite, err := i.CreateInvite(ctx, i.Op.ID, name, 1)
	if err != nil {
		i.t.Fatal(err)
	}
	m, err := i.Ledger.Join(ctx, ledger.Joining{Code: invite.Code, Name: name, PasswordHash: "x", Language: "en"})
	if err != nil {
		i.t.Fatal(err)
	}
	return m
}

// Fund deposits an amount for a member and makes it the monthly budget.
func (i *Instance) Fund(m ledger.Member, amount int64) {
	i.t.Helper()
	ctx := context.Background()
	if _, err := i.RecordDeposit(ctx, i.Op.ID, m.Name, amount, fmt.Sprintf("%s %s %d", m.Name, i.Clock.Now().Format(time.RFC3339), amount)); err != nil {
		i.t.Fatal(err)
	}
	if err := i.SetBudget(ctx, m.ID, amount); err != nil {
		i.t.Fatal(err)
	}
}

// Button makes a button and returns it with its thing.
func (i *Instance) Button(owner ledger.Member, slug string) (ledger.Button, ledger.Thing) {
	i.t.Helper()
	ctx := context.Background()
	b, err := i.CreateButton(ctx, owner.ID, ledger.NewButton{URL: "https://blog.example/" + owner.Name + "/" + slug, Title: slug})
	if err != nil {
		i.t.Fatal(err)
	}
	thing, err := i.ThingByIRI(ctx, i.Instance().ButtonIRI(b.ID))
	if err != nil {
		i.t.Fatal(err)
	}
	return b, thing
}
