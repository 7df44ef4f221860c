package ledger

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Reciprocity policies: whether a payee must be giving to receive (protocol §4, "Held").
const (
	ReciprocityOff      = "off"
	ReciprocityRequired = "required" // money is reserved for the month
	ReciprocityMinimum  = "minimum"  // at least as much as the instance says
)

// What becomes of a budget that no flattr took a share of (protocol §7, n = 0).
const (
	UnusedRollover = "rollover" // it stays the giver's
	UnusedCause    = "cause"    // it goes to the instance's cause
)

// Instance is the identity and policy of this database's instance.
type Instance struct {
	Host         string // "a.example", or with a port in test instances "a.localhost:8480"
	BaseURL      string // "https://a.example", no trailing slash
	Name         string
	Currency     string // ISO 4217
	Reciprocity  string // off | required | minimum
	Minimum      int64  `db:"reciprocity_minimum"` // micro-units, of the policy minimum: what a payee's budget is at least
	Unused       string // rollover | cause: of months that open from now on; "" is rollover
	Funding      string // prepaid | pledge: of months that open from now on; "" is prepaid
	Cause        string // the name of the instance's cause, for people; may be ""
	GraceSeconds int32  // from close to settlement; at least 24 h
	Payto        string // RFC 8905: the operator's bank account, which peers pay to; may be ""

	UnclaimedMonths int32 // for how many months new flattrs wait for somebody who can be paid; 0 is 12
}

// Grace is the time from a month's close to its settlement, in which answers and undos in flight land.
func (i Instance) Grace() time.Duration { return time.Duration(i.GraceSeconds) * time.Second }

// MemberIRI is a member's actor id.
func (i Instance) MemberIRI(name string) string { return i.BaseURL + "/users/" + name }

// ButtonIRI is a button's id.
func (i Instance) ButtonIRI(id string) string { return i.BaseURL + "/buttons/" + id }

// FlattrIRI is a flattr's Like id.
func (i Instance) FlattrIRI(id string) string { return i.BaseURL + "/flattrs/" + id }

// ActorIRI is the instance actor's id.
func (i Instance) ActorIRI() string { return i.BaseURL + "/actor" }

// Create writes the instance's row and opens its first month: the one that the clock is in.
// A second call brings name, policies, cause, grace and payto up to date; another host or currency is
// ErrConflict, because the host is part of every id and the currency of every amount ever given out.
func Create(ctx context.Context, pool *pgxpool.Pool, i Instance, now time.Time) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if _, err := tx.Exec(ctx, `
		insert into instance (id, host, base_url, name, currency, reciprocity, grace_seconds, payto, created_at, unused, cause, reciprocity_minimum, funding, unclaimed_months)
		values (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		on conflict (id) do update set name = excluded.name, reciprocity = excluded.reciprocity,
		  grace_seconds = excluded.grace_seconds, payto = excluded.payto, unused = excluded.unused, cause = excluded.cause,
		  reciprocity_minimum = excluded.reciprocity_minimum, funding = excluded.funding, unclaimed_months = excluded.unclaimed_months
		where (instance.host, instance.base_url, instance.currency) =
		  (excluded.host, excluded.base_url, excluded.currency)`,
		i.Host, i.BaseURL, i.Name, i.Currency, i.Reciprocity, i.GraceSeconds, i.Payto, now,
		cmp.Or(i.Unused, UnusedRollover), i.Cause, i.Minimum, cmp.Or(i.Funding, FundingPrepaid),
		cmp.Or(i.UnclaimedMonths, defaultUnclaimedMonths)); err != nil {
		return fmt.Errorf("create instance: %w", err)
	}
	have, err := readInstance(ctx, tx)
	if err != nil {
		return err
	}
	if have.Host != i.Host || have.BaseURL != i.BaseURL {
		return fmt.Errorf("%w: this database belongs to %s, not to %s", ErrConflict, have.BaseURL, i.BaseURL)
	}
	if have.Currency != i.Currency {
		return fmt.Errorf("%w: these books are kept in %s, not in %s", ErrConflict, have.Currency, i.Currency)
	}
	var there bool
	if err := tx.QueryRow(ctx, `select exists (select from month)`).Scan(&there); err != nil {
		return err
	}
	if !there {
		if err := openPeriod(ctx, tx, PeriodOf(now), now); err != nil {
			return fmt.Errorf("open first month: %w", err)
		}
	}
	return tx.Commit(ctx)
}

func readInstance(ctx context.Context, q queryer) (Instance, error) {
	return row[Instance](q.Query(ctx, `
		select host, base_url, name, currency, reciprocity, reciprocity_minimum, unused, funding, cause, grace_seconds, payto, unclaimed_months from instance where id = 1`))
}
