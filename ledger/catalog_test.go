package ledger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// table is what the catalog says of one table, and its rows.
type table struct {
	name    string
	columns []column
	key     []string   // primary key
	uniques [][]string // the columns of every other unique index
	links   []link     // foreign keys of one column
	rows    []record
}

type column struct {
	name     string
	kind     string   // its type
	made     bool     // the database makes its value
	nullable bool     //
	allowed  []string // of a state: what its CHECK lists
	unit     int64    // of an amount: the smallest step that its CHECK lets through
}

// link: column refers to the target's key.
type link struct{ column, target, key string }

// record is one row; values as JSON has them.
type record map[string]any

// money: an amount is a bigint that is neither a key nor refers to a row.
func (t table) money(c column) bool {
	return c.kind == "bigint" && !slices.Contains(t.key, c.name) && !t.linked(c.name) && !t.unique(c.name)
}

func (t table) linked(name string) bool {
	return slices.ContainsFunc(t.links, func(l link) bool { return l.column == name })
}

func (t table) unique(name string) bool {
	return slices.ContainsFunc(t.uniques, func(u []string) bool { return slices.Contains(u, name) })
}

// binds: a column that ties a row to others, without being the row's own key. Who wrote the row
// down is no tie.
func (t table) binds(c column) bool {
	return !strings.HasSuffix(c.name, "_by") && (t.linked(c.name) || t.unique(c.name) && c.kind != "text") && !slices.Contains(t.key, c.name)
}

func (t table) column(name string) column {
	return t.columns[slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })]
}

// named is how a violation names a row: "claim 5", "payment_allocation 3/5".
func (t table) named(r record) string {
	parts := make([]string, len(t.key))
	for i, k := range t.key {
		parts[i] = fmt.Sprint(r[k])
	}
	return t.name + " " + strings.Join(parts, "/")
}

// at is the WHERE that finds a row.
func (t table) at(r record) string {
	parts := make([]string, len(t.key))
	for i, k := range t.key {
		parts[i] = k + " = " + literal(r[k])
	}
	return strings.Join(parts, " and ")
}

// literal writes a value of the column as SQL.
func (c column) literal(v any) string {
	if c.kind == "uuid" && v != nil {
		return literal(v) + "::uuid"
	}
	return literal(v)
}

// literal writes a value as SQL.
func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case json.Number:
		return v.String()
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return literal(string(text)) + "::jsonb"
}

// catalog reads every table that holds money, from the catalog alone. Settings and the machinery's
// tables aren't the books.
func catalog(t *testing.T, pool *pgxpool.Pool) map[string]table {
	t.Helper()
	names := collect[string](t, pool, `
		select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
		  and relname !~ '^(river|goose|test)_' and relname not in ('member', 'peer') order by 1`)
	all := map[string]table{}
	for _, name := range names {
		tab := describe(t, pool, name)
		if !slices.ContainsFunc(tab.columns, tab.money) {
			continue
		}
		for _, text := range collect[string](t, pool, `select to_jsonb(x)::text from `+name+` x order by `+strings.Join(tab.key, ", ")) {
			tab.rows = append(tab.rows, decode[record](t, text))
		}
		all[name] = tab
	}
	return all
}

func describe(t *testing.T, pool *pgxpool.Pool, name string) table {
	tab := table{name: name}
	lists := checks(t, pool, name)
	for _, text := range collect[string](t, pool, `
		select jsonb_build_object('name', column_name, 'kind', data_type, 'made', is_identity, 'nullable', is_nullable)::text
		from information_schema.columns where table_name = $1 and table_schema = 'public' order by ordinal_position`, name) {
		c := decode[map[string]string](t, text)
		tab.columns = append(tab.columns, column{name: c["name"], kind: c["kind"], made: c["made"] == "YES",
			nullable: c["nullable"] == "YES", allowed: lists[c["name"]].allowed, unit: max(lists[c["name"]].unit, 1)})
	}
	for _, text := range collect[string](t, pool, `
		select jsonb_build_object('primary', i.indisprimary, 'columns', (
		  select jsonb_agg(a.attname order by k.n) from unnest(i.indkey[:i.indnkeyatts-1]) with ordinality as k (attnum, n)
		  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum))::text
		from pg_index i where i.indrelid = $1::text::regclass and i.indisunique order by i.indexrelid`, name) {
		index := decode[struct {
			Primary bool
			Columns []string
		}](t, text)
		if index.Primary {
			tab.key = index.Columns
		} else {
			tab.uniques = append(tab.uniques, index.Columns)
		}
	}
	for _, text := range collect[string](t, pool, `
		select jsonb_build_object('column', a.attname, 'target', f.confrelid::regclass::text, 'key', k.attname)::text
		from pg_constraint f
		join pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[1]
		join pg_attribute k on k.attrelid = f.confrelid and k.attnum = f.confkey[1]
		where f.contype = 'f' and f.conrelid = $1::text::regclass order by f.oid`, name) {
		l := decode[map[string]string](t, text)
		tab.links = append(tab.links, link{l["column"], l["target"], l["key"]})
	}
	return tab
}

// rule is what a CHECK of one column, or of its domain, says.
type rule struct {
	allowed []string
	unit    int64
}

var (
	listed   = regexp.MustCompile(`'([^']*)'::(?:text|bpchar)`)
	multiple = regexp.MustCompile(`% (?:\()?'?([0-9]+)'?(?:::bigint)?(?:\))?\) = 0`)
)

func checks(t *testing.T, pool *pgxpool.Pool, name string) map[string]rule {
	all := map[string]rule{}
	for _, text := range collect[string](t, pool, `
		select jsonb_build_object('column', a.attname, 'says', pg_get_constraintdef(c.oid))::text
		from pg_attribute a join pg_constraint c on c.contype = 'c' and (c.contypid = a.atttypid
		  or c.conrelid = a.attrelid and c.conkey = array[a.attnum])
		where a.attrelid = $1::text::regclass and a.attnum > 0`, name) {
		c := decode[map[string]string](t, text)
		r := all[c["column"]]
		if strings.Contains(c["says"], "ARRAY[") {
			for _, v := range listed.FindAllStringSubmatch(c["says"], -1) {
				r.allowed = append(r.allowed, v[1])
			}
		}
		if m := multiple.FindStringSubmatch(c["says"]); m != nil {
			fmt.Sscan(m[1], &r.unit)
		}
		all[c["column"]] = r
	}
	return all
}

// reader is a pool or a transaction.
type reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func collect[T any](t testing.TB, q reader, sql string, args ...any) []T {
	t.Helper()
	r, err := q.Query(context.Background(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(r, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
	return all
}

func decode[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
