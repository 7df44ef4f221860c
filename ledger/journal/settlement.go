package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Settlement is the batch of transfers that resolves a month's reservations, one for each, and gives the
// money on: too many for Post. It is built aside, in a table that nobody reads, and attached with the balances in one
// transaction. Whoever builds holds a lock that keeps others from building the same month.
type Settlement struct {
	Period   string // the month that is settled
	Part     int32  // 0, or which supplement to its settlement
	Currency string
	At       time.Time
}

func (s Settlement) batch() string {
	if s.Part > 0 {
		return fmt.Sprintf("%s/settlement/%d", s.Period, s.Part)
	}
	return s.Period + "/settlement"
}
func (s Settlement) table() string { return Partition(s.batch()) }

// Prepare makes the empty table, in place of one that a crash left. What all its transfers have in common are
// defaults, until it is attached: a third of what is copied.
func (s Settlement) Prepare(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(`
		drop table if exists %[1]s;
		create table %[1]s (like transfer including defaults including constraints, check (batch = '%[2]s'));
		alter table %[1]s alter batch set default '%[2]s', alter currency set default '%[3]s', alter booked_at set default '%[4]s'`,
		s.table(), s.batch(), s.Currency, s.At.Format(time.RFC3339Nano)))
	return err
}

// Resolution posts or voids one reservation whole.
type Resolution struct {
	Ref    int64 // the reservation
	Posted bool
	Debit  int64 // id of its debit account
	Credit int64
	Amount int64
}

// Add puts a resolution of a kind into the batch.
func (s Settlement) Add(rows *CopyRows, kind string, r Resolution) {
	phase := Void
	if r.Posted {
		phase = Posted
	}
	s.row(rows, Entry{Kind: kind, Ref: r.Ref, Phase: phase, Amount: r.Amount}, r.Debit, r.Credit)
}

func (s Settlement) row(rows *CopyRows, e Entry, debit, credit int64) {
	rows.Row(6)
	rows.Text(e.Kind)
	rows.Int(e.Ref)
	rows.Text(e.Phase)
	rows.Int(debit)
	rows.Int(credit)
	rows.Int(e.Amount)
}

// Send writes added transfers.
func (s Settlement) Send(ctx context.Context, conn *pgconn.PgConn, rows *CopyRows) error {
	return rows.Send(ctx, conn, s.table(), "kind, ref, phase, debit_account, credit_account, amount")
}

// Index ends the building; only single transfers come after it.
func (s Settlement) Index(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(`
		alter table %[1]s add primary key (id, batch);
		create trigger kept before truncate on %[1]s for each statement execute function refuse_change()`, s.table()))
	return err
}

// Sums are what a batch holds.
type Sums struct{ Posts, Voids, Posted, Voided int64 }

// Sums adds the batch up.
func (s Settlement) Sums(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (v Sums, err error) {
	err = q.QueryRow(ctx, `
		select count(*) filter (where phase = 'post'), count(*) filter (where phase = 'void'),
		  coalesce(sum(amount) filter (where phase = 'post'), 0)::bigint,
		  coalesce(sum(amount) filter (where phase = 'void'), 0)::bigint from `+s.table()).
		Scan(&v.Posts, &v.Voids, &v.Posted, &v.Voided)
	return v, err
}

// Book adds single transfers to the indexed batch and changes the balances of all its accounts. No other
// money moves until the transaction ends: the accounts are as many as the givers, and locking them one by
// one takes as long as changing them. Reading goes on.
func (s Settlement) Book(ctx context.Context, tx pgx.Tx, singles ...Entry) error {
	// With the memory for them, a million accounts are found in one go and changed in the order in which they lie.
	if _, err := tx.Exec(ctx, `lock table account in exclusive mode; set local work_mem = '64MB'`); err != nil {
		return err
	}
	var balances pgx.Batch
	for _, change := range []string{changeReserved, changeGiven} {
		balances.Queue(fmt.Sprintf(change, s.table()))
	}
	changing := tx.SendBatch(ctx, &balances)
	kinds, owners, debits, credits := sums(singles) // while the server is at it
	if err := changing.Close(); err != nil {
		return err
	}
	changed, _ := tx.Query(ctx, changeSingles, kinds, owners, s.Currency, debits, credits)
	ids, err := readIDs(changed)
	if err != nil {
		return fmt.Errorf("accounts of the settlement: %w", err)
	}
	var rows CopyRows
	for _, e := range singles {
		s.row(&rows, e, ids[e.Debit], ids[e.Credit])
	}
	return s.Send(ctx, tx.Conn().PgConn(), &rows)
}

// Attach makes the booked batch a partition.
func (s Settlement) Attach(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, fmt.Sprintf(`
		alter table %[1]s alter batch drop default, alter currency drop default, alter booked_at drop default;
		alter table transfer attach partition %[1]s for values in ('%[2]s')`, s.table(), s.batch()))
	return err
}

// sums are what singles add to their accounts, as columns.
func sums(singles []Entry) (kinds []string, owners, debits, credits []int64) {
	sums := map[Account][2]int64{}
	for _, e := range singles {
		from, to := sums[e.Debit], sums[e.Credit]
		from[0], to[1] = from[0]+e.Amount, to[1]+e.Amount
		sums[e.Debit], sums[e.Credit] = from, to
	}
	kinds, owners = accounts(singles)
	for i := range kinds {
		sum := sums[Account{Kind: kinds[i], Owner: owners[i]}]
		debits, credits = append(debits, sum[0]), append(credits, sum[1])
	}
	return kinds, owners, debits, credits
}

// changeGiven posts to whom it was reserved for, which is the clearing account: before the singles, which take
// from it.
const changeGiven = `
	update account a set credits_pending = a.credits_pending - t.held, credits_posted = a.credits_posted + t.given
	from (select credit_account, sum(amount) as held, coalesce(sum(amount) filter (where phase = 'post'), 0) as given
	      from %s where phase in ('post', 'void') group by credit_account) t
	where a.id = t.credit_account`

// changeReserved takes from whom it was reserved, each of whom has one reservation in the batch.
const changeReserved = `
	update account a set
	  debits_pending = a.debits_pending - t.amount,
	  debits_posted = a.debits_posted + case t.phase when 'post' then t.amount else 0 end
	from %s t where t.phase in ('post', 'void') and a.id = t.debit_account`

// changeSingles changes the accounts on both sides of the singles; those that aren't there yet are opened with
// their balance: opening them first and changing them then would write each twice.
const changeSingles = `
	with k as (
	  select * from unnest($1::text[], $2::bigint[], $4::bigint[], $5::bigint[]) as k (kind, owner, debits, credits)),
	changed as (
	  update account a set debits_posted = a.debits_posted + k.debits, credits_posted = a.credits_posted + k.credits
	  from k where a.kind = k.kind and a.owner = k.owner and a.currency = $3
	  returning a.id, a.kind, a.owner),
	opened as (
	  insert into account (kind, owner, currency, normal, debits_posted, credits_posted)
	  select kind, owner, $3, case when kind in ('bank','receivable','advance','loss') then 'D'
	                               when kind in ('suspense', 'recovery') then 'B' else 'C' end, debits, credits
	  from k where not exists (select from account a where a.kind = k.kind and a.owner = k.owner and a.currency = $3)
	  order by kind, owner
	  returning id, kind, owner)
	select id, kind, owner from changed union all select id, kind, owner from opened`
