package ledgertest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Change is one tampering: an UPDATE of a row or two, a DELETE, or an INSERT of a copy.
type Change struct {
	Table string
	What  string   // "amount +1", "deleted"
	SQL   string   //
	Rows  []string // the altered rows, as a finding should name one of them: "claim 5"
	Of    Record   // the first of them, as it was
	Near  []string // of a deleted row: the rows that it hung on, and those that hung on it
	copy  bool     // SQL returns the key of the new row
}

// Apply makes the change in a transaction of a pool that is Superuser's. It returns the rows that a finding should
// name, which of a copied row is known only now. A refusal of the database's own is a *pgconn.PgError of class 23.
func (c Change) Apply(ctx context.Context, tx pgx.Tx) ([]string, error) {
	if c.copy {
		var made string
		err := tx.QueryRow(ctx, c.SQL).Scan(&made)
		return []string{c.Table + " " + made}, err
	}
	tag, err := tx.Exec(ctx, c.SQL)
	if err == nil && int(tag.RowsAffected()) != len(c.Rows) {
		err = fmt.Errorf("%d rows changed", tag.RowsAffected())
	}
	return c.Rows, err
}

// Names tells whether a finding's text names one of the rows.
func Names(text string, rows []string) bool {
	return slices.ContainsFunc(rows, func(row string) bool {
		return regexp.MustCompile(`(^|[^a-z_0-9])` + regexp.QuoteMeta(row) + `($|[^/0-9])`).MatchString(text)
	})
}

// Changes generates every change of every row of the books, in the same order each time.
func Changes(books map[string]Table) []Change {
	var all []Change
	for _, name := range slices.Sorted(maps.Keys(books)) {
		t := books[name]
		for i, r := range t.Rows {
			for _, c := range t.Columns {
				all = append(all, t.values(r, c)...)
				all = append(all, t.swaps(i, c)...)
			}
			all = append(all, t.things(r)...)
			all = append(all, t.deletion(r, books), t.doubled(r))
			if c, ok := t.renewed(r, books); ok {
				all = append(all, c)
			}
		}
	}
	return all
}

// Kinds are of each kind of change the first one. What a check sees of a change depends on the table, the field and the way it
// is changed, and on the states of the row and which of its fields are empty; the next row of that kind differs in its
// numbers only.
// Kinds that were seen before, of another instance's books, are left out.
func Kinds(all []Change, books map[string]Table, seen map[string]bool) (some []Change) {
	for _, c := range all {
		kind := c.Table + " " + c.What
		for _, column := range books[c.Table].Columns {
			v := c.Of[column.Name]
			switch {
			case column.Allowed != nil:
				kind += fmt.Sprint(" ", v)
			case column.nullable:
				kind += fmt.Sprint(" ", v == nil)
			}
		}
		if !seen[kind] {
			seen[kind] = true
			some = append(some, c)
		}
	}
	return some
}

func (t Table) set(r Record, c Column, to string) Change {
	return Change{Table: t.Name, What: c.Name + " := " + to, Rows: []string{t.named(r)}, Of: r,
		SQL: fmt.Sprintf("update %s set %s = %s where %s", t.Name, c.Name, to, t.at(r))}
}

// values are the other values of one field: an amount one step up and down, a state each other one.
func (t Table) values(r Record, c Column) (all []Change) {
	add := func(what, to string) {
		one := t.set(r, c, to)
		one.What = c.Name + " " + what
		all = append(all, one)
	}
	switch {
	case t.money(c) || c.kind == "integer":
		for _, step := range slices.Compact([]int64{1, c.unit}) {
			add(fmt.Sprintf("+%d", step), fmt.Sprintf("coalesce(%s, 0) + %d", c.Name, step))
			add(fmt.Sprintf("-%d", step), fmt.Sprintf("coalesce(%s, 0) - %d", c.Name, step))
		}
	case c.Allowed != nil:
		for _, v := range c.Allowed {
			if v != r[c.Name] {
				add("= "+v, literal(v))
			}
		}
	default:
		return nil
	}
	if c.nullable && r[c.Name] != nil {
		add("= null", "null")
	}
	return all
}

// swaps exchanges one field with the next row of the table that has another value there: an amount,
// a state, or what ties the row to others.
func (t Table) swaps(i int, c Column) []Change {
	if !t.money(c) && c.kind != "integer" && c.Allowed == nil && c.kind != "jsonb" && !t.binds(c) {
		return nil
	}
	a := t.Rows[i]
	for k := 1; k < len(t.Rows); k++ {
		b := t.Rows[(i+k)%len(t.Rows)]
		if va, vb := c.literal(a[c.Name]), c.literal(b[c.Name]); va != vb {
			return []Change{{Table: t.Name, What: c.Name + " swapped", Rows: []string{t.named(a), t.named(b)}, Of: a,
				SQL: fmt.Sprintf("update %s set %s = case when %s then %s else %s end where %s or %s", t.Name, c.Name,
					t.at(a), vb, va, t.at(a), t.at(b))}}
		}
	}
	return nil
}

// things are the changes inside a claim line's JSON: each number one up and down, an amount left out.
func (t Table) things(r Record) (all []Change) {
	for _, c := range t.Columns {
		if c.kind != "jsonb" {
			continue
		}
		for i, thing := range r[c.Name].([]any) {
			members := thing.(map[string]any)
			for _, field := range slices.Sorted(maps.Keys(members)) {
				v := members[field]
				n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
				if err != nil {
					continue
				}
				for _, to := range []int64{n + 1, n - 1} {
					_, text := v.(string)
					all = append(all, t.inside(r, c, i, field, to, text))
				}
				if field == "amount" {
					one := t.set(r, c, fmt.Sprintf("%s #- '{%d,%s}'", c.Name, i, field))
					one.What = c.Name + " amount left out"
					all = append(all, one)
				}
			}
		}
	}
	return all
}

func (t Table) inside(r Record, c Column, i int, field string, to int64, text bool) Change {
	var v any = to
	if text {
		v = fmt.Sprint(to)
	}
	encoded, _ := json.Marshal(v)
	one := t.set(r, c, fmt.Sprintf("jsonb_set(%s, '{%d,%s}', '%s')", c.Name, i, field, encoded))
	one.What = c.Name + " " + field
	return one
}

func (t Table) deletion(r Record, books map[string]Table) Change {
	return Change{Table: t.Name, What: "deleted", Rows: []string{t.named(r)}, Of: r, Near: t.near(r, books),
		SQL: fmt.Sprintf("delete from %s where %s", t.Name, t.at(r))}
}

// near are the rows that r links to and those that link to it. A transfer's link to the row that it
// books isn't a foreign key, because that is another table for each kind.
func (t Table) near(r Record, books map[string]Table) (all []string) {
	for _, l := range t.links {
		if r[l.column] != nil {
			all = append(all, l.target+" "+fmt.Sprint(r[l.column]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(books)) {
		other := books[name]
		for _, l := range other.links {
			if l.target != t.Name {
				continue
			}
			for _, o := range other.Rows {
				if o[l.column] == r[l.key] {
					all = append(all, other.named(o))
				}
			}
		}
	}
	if other, ok := map[string]string{"pledge": "collection", "collection": "pledge"}[t.Name]; ok { // a month's collections seal its pledges
		for _, o := range books[other].Rows {
			if o["period"] == r["period"] {
				all = append(all, books[other].named(o))
			}
		}
	}
	if t.Name == "transfer" {
		all = append(all, booked(r["kind"].(string))+" "+fmt.Sprint(r["ref"]))
	}
	return all
}

// booked is the table whose row a kind of transfer books.
func booked(kind string) string {
	switch {
	case strings.HasPrefix(kind, "payment"), strings.HasPrefix(kind, "receipt"), kind == "netting":
		return "payment"
	case kind == "refund", kind == "payout":
		return "withdrawal"
	case kind == "chargeback", kind == "loss":
		return "reversal"
	}
	switch kind {
	case "advance":
		return "line_advance"
	case "write_off", "advance_loss":
		return "write_off_line"
	case "repayment", "reinstatement", "advance_recovery":
		return "line_allocation"
	}
	return map[string]string{"deposit": "deposit", "budget": "reservation", "earning": "earning", "claim": "claim", "adoption": "claim", "recovery": "claim",
		"return": "share_return", "line": "claim_line", "allocation": "line_allocation", "withdrawal": "withdrawal",
		"reversal": "reversal", "donation": "donation", "fee": "fee"}[kind]
}

// doubled copies a row; only what the database makes is new.
func (t Table) doubled(r Record) Change { return t.copied(r, "doubled", nil) }

func (t Table) copied(r Record, what string, renewed map[string]string) Change {
	var into, from []string
	for _, c := range t.Columns {
		if c.made {
			continue
		}
		into = append(into, c.Name)
		if v, ok := renewed[c.Name]; ok {
			from = append(from, v)
		} else {
			from = append(from, c.Name)
		}
	}
	return Change{Table: t.Name, What: what, Of: r, copy: true,
		SQL: fmt.Sprintf("insert into %s (%s) select %s from %s where %s returning concat_ws('/', %s)", t.Name,
			strings.Join(into, ", "), strings.Join(from, ", "), t.Name, t.at(r), strings.Join(t.key, ", "))}
}

// renewed copies a row under new keys, so that no unique index refuses it: of each index one column
// gets a value that is free, a text or number one of its own, a link that of another row.
func (t Table) renewed(r Record, books map[string]Table) (Change, bool) {
	fresh := map[string]string{}
	keys := t.uniques
	if !t.column(t.key[0]).made {
		keys = append(slices.Clone(keys), t.key)
	}
	for _, key := range keys {
		if slices.ContainsFunc(key, func(c string) bool { return fresh[c] != "" || t.column(c).made || r[c] == nil }) {
			continue
		}
		if column, value, ok := t.free(r, key, books); ok {
			fresh[column] = value
		} else {
			return Change{}, false
		}
	}
	return t.copied(r, "doubled under a new key", fresh), len(fresh) > 0
}

func (t Table) free(r Record, key []string, books map[string]Table) (name, value string, ok bool) {
	for _, k := range key {
		switch c := t.column(k); {
		case t.linked(k) || c.Allowed != nil || c.kind == "character":
		case c.kind == "text":
			return k, literal(fmt.Sprint(r[k]) + "~"), true
		case c.kind == "integer" || c.kind == "bigint":
			return k, fmt.Sprintf("(select max(%s) + 1 from %s)", k, t.Name), true
		}
	}
	for _, l := range t.links {
		if !slices.Contains(key, l.column) {
			continue
		}
		same := []string{"x." + l.column + " = o." + l.key}
		for _, k := range key {
			if k != l.column {
				same = append(same, "x."+k+" = "+literal(r[k]))
			}
		}
		return l.column, fmt.Sprintf("(select o.%s from %s o where not exists (select from %s x where %s) order by 1 limit 1)",
			l.key, l.target, t.Name, strings.Join(same, " and ")), true
	}
	return "", "", false
}
