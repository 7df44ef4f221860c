package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/cmd/flattrd/audit"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestConsistentTampers runs each script of testdata/tampers against the played months, and then makes all sums and
// digests fit again. The ledger's own check sees nothing of it, which is tested too; the audit finds it.
func TestConsistentTampers(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{Uneven: true})
	notarise(t, m.Post)
	kept := map[string]*keeper{}
	for host, i := range m.Post {
		kept[host] = keep(t, ledgertest.Superuser(t, i.Pool))
	}
	scripts, err := filepath.Glob("testdata/tampers/*.sql")
	if err != nil || len(scripts) < 12 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".sql"), func(t *testing.T) {
			sql, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			host, finds := heading(sql, "host"), heading(sql, "finds")
			k := kept[host]
			defer k.restore(t)
			tamper(t, k.pool, string(sql))
			tell(t, m.Post[host], finds)
		})
	}
}

// heading is what a comment at the top of a script says.
func heading(sql []byte, name string) string {
	found := regexp.MustCompile(`(?m)^-- ` + name + `: (.+)$`).FindSubmatch(sql)
	if found == nil {
		return ""
	}
	return string(found[1])
}

// tell compares what check and the audit say.
func tell(t *testing.T, i *ledgertest.Instance, finds string) {
	found, err := i.Check(context.Background())
	if err != nil || len(found) > 0 {
		t.Errorf("check finds it, so it isn't consistent: %v, %v", found, err)
	}
	report := run(t, i, audit.Options{})
	if !slices.ContainsFunc(report.Findings, func(f audit.Finding) bool { return f.Table == finds }) {
		t.Errorf("no finding in %s: %v", finds, report.Findings)
	}
	for _, f := range report.Findings {
		t.Log(f)
	}
}

// tamper runs a script and makes everything fit that is a sum or a digest.
func tamper(t *testing.T, pool *pgxpool.Pool, sql string) {
	ctx := context.Background()
	if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		before := image(t, tx)
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
		if image(t, tx) == before {
			return fmt.Errorf("the script changes nothing")
		}
		if _, err := tx.Exec(ctx, sumAccounts); err != nil {
			return err
		}
		return digestClaims(ctx, tx)
	}); err != nil {
		t.Fatal(err)
	}
}

// image is a hash over what scripts change.
func image(t *testing.T, tx pgx.Tx) (hash string) {
	var parts []string
	for _, table := range strings.Fields(`flattr share claim claim_line transfer payment line_allocation deposit peer document thing month withdrawal`) {
		parts = append(parts, `select x::text from `+table+` x`)
	}
	if err := tx.QueryRow(context.Background(), `select md5(string_agg(x, '' order by x)) from (`+strings.Join(parts, " union all ")+`) x (x)`).Scan(&hash); err != nil {
		t.Fatal(err)
	}
	return hash
}

// sumAccounts makes accounts what their transfers add up to.
const sumAccounts = `
	with held as (select kind, ref, amount from transfer where phase = 'pending'),
	moves as (
	  select t.*, case when t.phase in ('single', 'post') then t.amount else 0 end as moved,
	    case t.phase when 'pending' then t.amount when 'single' then 0 else -h.amount end as pending
	  from transfer t left join held h on h.kind = t.kind and h.ref = t.ref and t.phase in ('post', 'void'))
	update account a set
	  debits_posted = coalesce((select sum(moved) from moves where debit_account = a.id), 0),
	  credits_posted = coalesce((select sum(moved) from moves where credit_account = a.id), 0),
	  debits_pending = coalesce((select sum(pending) from moves where debit_account = a.id), 0),
	  credits_pending = coalesce((select sum(pending) from moves where credit_account = a.id), 0)`

// digestClaims makes digests what the lines have.
func digestClaims(ctx context.Context, tx pgx.Tx) error {
	found, err := tx.Query(ctx, `select claim, payee, amount, things from claim_line order by claim, payee collate "C"`)
	if err != nil {
		return err
	}
	lines := map[int64][]ledger.Line{}
	var claim int64
	var line ledger.Line
	var things []byte
	if _, err := pgx.ForEachRow(found, []any{&claim, &line.Payee, &line.Amount, &things}, func() (err error) {
		line.Things, err = thingsOf(things)
		lines[claim] = append(lines[claim], line)
		return err
	}); err != nil {
		return err
	}
	for claim, mine := range lines {
		digest, err := ledger.LinesDigest(mine)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update claim set digest = $2 where id = $1 and digest <> $2`, claim, digest); err != nil {
			return err
		}
	}
	return nil
}

func thingsOf(raw []byte) ([]ledger.LineThing, error) {
	var told []struct {
		Object  string
		Flattrs int64
		Amount  *string
	}
	err := json.Unmarshal(raw, &told)
	things := make([]ledger.LineThing, len(told))
	for i, t := range told {
		things[i] = ledger.LineThing{Object: t.Object, Flattrs: t.Flattrs, Amount: -1}
		if t.Amount != nil && err == nil {
			things[i].Amount, err = strconv.ParseInt(*t.Amount, 10, 64)
		}
	}
	return things, err
}

// keeper brings a database back to what it was.
type keeper struct {
	pool   *pgxpool.Pool
	tables []string
}

func keep(t *testing.T, pool *pgxpool.Pool) *keeper {
	k := &keeper{pool: pool}
	found, err := pool.Query(context.Background(), `
		select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
		  and relname !~ '^(river|goose|test)_' order by 1`)
	if err == nil {
		k.tables, err = pgx.CollectRows(found, pgx.RowTo[string])
	}
	sql := `create schema kept;`
	for _, table := range k.tables {
		sql += fmt.Sprintf(`create table kept.%[1]s as table %[1]s;`, table)
	}
	if err == nil {
		_, err = pool.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *keeper) restore(t *testing.T) {
	sql := ""
	for _, table := range k.tables {
		sql += fmt.Sprintf(`delete from %[1]s; insert into %[1]s overriding system value table kept.%[1]s;`, table)
	}
	if _, err := k.pool.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}
