package ledgertest

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

// Table is what the catalog says of one table, and its rows.
type Table struct {
	Name    string
	Columns []Column
	key     []string   // primary key
	uniques [][]string // the columns of every other unique index
	links   []Link     // foreign keys of one column
	Rows    []Record
}

// Column is one of a table's.
type Column struct {
	Name     string
	kind     string   // its type
	made     bool     // the database makes its value
	nullable bool     //
	Allowed  []string // of a state: what its CHECK lists
	unit     int64    // of an amount: the smallest step that its CHECK lets through
}

// Link says that column refers to the target's key.
type Link struct{ column, target, key string }

// Record is one row; values as JSON has them.
type Record map[string]any

// money: an amount is a bigint that is neither a key nor refers to a row.
func (t Table) money(c Column) bool {
	return c.kind == "bigint" && !slices.Contains(t.key, c.Name) && !t.linked(c.Name) && !t.unique(c.Name)
}

func (t Table) linked(name string) bool {
	return slices.ContainsFunc(t.links, func(l Link) bool { return l.column == name })
}

func (t Table) unique(name string) bool {
	return slices.ContainsFunc(t.uniques, func(u []string) bool { return slices.Contains(u, name) })
}

// binds: a column that ties a row to others, without being the row's own key. Who wrote the row
// down is no tie.
func (t Table) binds(c Column) bool {
	return !strings.HasSuffix(c.Name, "_by") && (t.linked(c.Name) || t.unique(c.Name) && c.kind != "text") && !slices.Contains(t.key, c.Name)
}

func (t Table) column(name string) Column {
	return t.Columns[slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })]
}

// named is how a violation names a row: "claim 5", "payment_allocation 3/5".
func (t Table) named(r Record) string {
	parts := make([]string, len(t.key))
	for i, k := range t.key {
		parts[i] = fmt.Sprint(r[k])
	}
	return t.Name + " " + strings.Join(parts, "/")
}

// at is the WHERE that finds a row.
func (t Table) at(r Record) string {
	parts := make([]string, len(t.key))
	for i, k := range t.key {
		parts[i] = k + " = " + literal(r[k])
	}
	return strings.Join(parts, " and ")
}

// literal writes a value of the column as SQL.
func (c Column) literal(v any) string {
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

// Books reads every table that holds money, by name, with what the catalog says of it. Settings and the
// machinery's tables aren't the books.
func Books(t testing.TB, pool *pgxpool.Pool) map[string]Table {
	t.Helper()
	names := Collect[string](t, pool, `
		select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
		  and relname !~ '^(river|goose|test)_' and relname not in ('member', 'peer', 'standing', 'instance') order by 1`)
	all := map[string]Table{}
	for _, name := range names {
		tab := describe(t, pool, name)
		if !slices.ContainsFunc(tab.Columns, tab.money) {
			continue
		}
		for _, text := range Collect[string](t, pool, `select to_jsonb(x)::text from `+name+` x order by `+strings.Join(tab.key, ", ")) {
			tab.Rows = append(tab.Rows, decode[Record](t, text))
		}
		all[name] = tab
	}
	return all
}

func describe(t testing.TB, pool *pgxpool.Pool, name string) Table {
	tab := Table{Name: name}
	lists := checks(t, pool, name)
	for _, text := range Collect[string](t, pool, `
		select jsonb_build_object('name', column_name, 'kind', data_type, 'made', is_identity, 'nullable', is_nullable)::text
		from information_schema.columns where table_name = $1 and table_schema = 'public' order by ordinal_position`, name) {
		c := decode[map[string]string](t, text)
		tab.Columns = append(tab.Columns, Column{Name: c["name"], kind: c["kind"], made: c["made"] == "YES",
			nullable: c["nullable"] == "YES", Allowed: lists[c["name"]].allowed, unit: max(lists[c["name"]].unit, 1)})
	}
	for _, text := range Collect[string](t, pool, `
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
	for _, text := range Collect[string](t, pool, `
		select jsonb_build_object('column', a.attname, 'target', f.confrelid::regclass::text, 'key', k.attname)::text
		from pg_constraint f
		join pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[1]
		join pg_attribute k on k.attrelid = f.confrelid and k.attnum = f.confkey[1]
		where f.contype = 'f' and f.conrelid = $1::text::regclass
		union all -- a reference that a trigger holds stands in the column's comment
		select jsonb_build_object('column', a.attname, 'target', r[1], 'key', r[2])::text
		from pg_attribute a, regexp_match(col_description(a.attrelid, a.attnum), '^references (\w+) \((\w+)\)') r
		where a.attrelid = $1::text::regclass and r is not null`, name) {
		l := decode[map[string]string](t, text)
		tab.links = append(tab.links, Link{l["column"], l["target"], l["key"]})
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

func checks(t testing.TB, pool *pgxpool.Pool, name string) map[string]rule {
	all := map[string]rule{}
	for _, text := range Collect[string](t, pool, `
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

// Collect returns a query's one column.
func Collect[T any](t testing.TB, q reader, sql string, args ...any) []T {
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
