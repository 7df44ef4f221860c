package ledger_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// change is one tampering: an UPDATE of a row or two, a DELETE, or an INSERT of a copy.
type change struct {
	table string
	what  string   // "amount +1", "deleted"
	sql   string   //
	rows  []string // the altered rows: one of them must be named
	of    record   // the first of them, as it was
	near  []string // of a deleted row: the rows that it hung on, and those that hung on it
	copy  bool     // sql returns the key of the new row, which must be named
}

// changes generates every change of every row of the books.
func changes(books map[string]table) []change {
	var all []change
	for _, t := range books {
		for i, r := range t.rows {
			for _, c := range t.columns {
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

func (t table) set(r record, c column, to string) change {
	return change{table: t.name, what: c.name + " := " + to, rows: []string{t.named(r)}, of: r,
		sql: fmt.Sprintf("update %s set %s = %s where %s", t.name, c.name, to, t.at(r))}
}

// values are the other values of one field: an amount one step up and down, a state each other one.
func (t table) values(r record, c column) (all []change) {
	add := func(what, to string) {
		one := t.set(r, c, to)
		one.what = c.name + " " + what
		all = append(all, one)
	}
	switch {
	case t.money(c) || c.kind == "integer":
		for _, step := range slices.Compact([]int64{1, c.unit}) {
			add(fmt.Sprintf("+%d", step), fmt.Sprintf("coalesce(%s, 0) + %d", c.name, step))
			add(fmt.Sprintf("-%d", step), fmt.Sprintf("coalesce(%s, 0) - %d", c.name, step))
		}
	case c.allowed != nil:
		for _, v := range c.allowed {
			if v != r[c.name] {
				add("= "+v, literal(v))
			}
		}
	default:
		return nil
	}
	if c.nullable && r[c.name] != nil {
		add("= null", "null")
	}
	return all
}

// swaps exchanges one field with the next row of the table that has another value there: an amount,
// a state, or what ties the row to others.
func (t table) swaps(i int, c column) []change {
	if !t.money(c) && c.kind != "integer" && c.allowed == nil && c.kind != "jsonb" && !t.binds(c) {
		return nil
	}
	a := t.rows[i]
	for k := 1; k < len(t.rows); k++ {
		b := t.rows[(i+k)%len(t.rows)]
		if va, vb := c.literal(a[c.name]), c.literal(b[c.name]); va != vb {
			return []change{{table: t.name, what: c.name + " swapped", rows: []string{t.named(a), t.named(b)}, of: a,
				sql: fmt.Sprintf("update %s set %s = case when %s then %s else %s end where %s or %s", t.name, c.name,
					t.at(a), vb, va, t.at(a), t.at(b))}}
		}
	}
	return nil
}

// things are the changes inside a claim line's JSON: each number one up and down, an amount left out.
func (t table) things(r record) (all []change) {
	for _, c := range t.columns {
		if c.kind != "jsonb" {
			continue
		}
		for i, thing := range r[c.name].([]any) {
			for field, v := range thing.(map[string]any) {
				n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
				if err != nil {
					continue
				}
				for _, to := range []int64{n + 1, n - 1} {
					_, text := v.(string)
					all = append(all, t.inside(r, c, i, field, to, text))
				}
				if field == "amount" {
					one := t.set(r, c, fmt.Sprintf("%s #- '{%d,%s}'", c.name, i, field))
					one.what = c.name + " amount left out"
					all = append(all, one)
				}
			}
		}
	}
	return all
}

func (t table) inside(r record, c column, i int, field string, to int64, text bool) change {
	var v any = to
	if text {
		v = fmt.Sprint(to)
	}
	encoded, _ := json.Marshal(v)
	one := t.set(r, c, fmt.Sprintf("jsonb_set(%s, '{%d,%s}', '%s')", c.name, i, field, encoded))
	one.what = c.name + " " + field
	return one
}

func (t table) deletion(r record, books map[string]table) change {
	return change{table: t.name, what: "deleted", rows: []string{t.named(r)}, of: r, near: t.near(r, books),
		sql: fmt.Sprintf("delete from %s where %s", t.name, t.at(r))}
}

// near are the rows that r links to and those that link to it. A transfer's link to the row that it
// books isn't a foreign key, because that is another table for each kind.
func (t table) near(r record, books map[string]table) (all []string) {
	for _, l := range t.links {
		if r[l.column] != nil {
			all = append(all, l.target+" "+fmt.Sprint(r[l.column]))
		}
	}
	for _, other := range books {
		for _, l := range other.links {
			if l.target != t.name {
				continue
			}
			for _, o := range other.rows {
				if o[l.column] == r[l.key] {
					all = append(all, other.named(o))
				}
			}
		}
	}
	if t.name == "transfer" {
		all = append(all, booked(r["kind"].(string))+" "+fmt.Sprint(r["ref"]))
	}
	return all
}

// booked is the table whose row a kind of transfer books.
func booked(kind string) string {
	switch {
	case strings.HasPrefix(kind, "payment"), strings.HasPrefix(kind, "receipt"):
		return "payment"
	}
	return map[string]string{"deposit": "deposit", "budget": "reservation", "earning": "earning", "claim": "claim",
		"return": "share_return", "line": "claim_line", "allocation": "line_allocation", "withdrawal": "withdrawal"}[kind]
}

// doubled copies a row; only what the database makes is new.
func (t table) doubled(r record) change { return t.copied(r, "doubled", nil) }

func (t table) copied(r record, what string, renewed map[string]string) change {
	var into, from []string
	for _, c := range t.columns {
		if c.made {
			continue
		}
		into = append(into, c.name)
		if v, ok := renewed[c.name]; ok {
			from = append(from, v)
		} else {
			from = append(from, c.name)
		}
	}
	return change{table: t.name, what: what, of: r, copy: true,
		sql: fmt.Sprintf("insert into %s (%s) select %s from %s where %s returning concat_ws('/', %s)", t.name,
			strings.Join(into, ", "), strings.Join(from, ", "), t.name, t.at(r), strings.Join(t.key, ", "))}
}

// renewed copies a row under new keys, so that no unique index refuses it: of each index one column
// gets a value that is free, a text or number one of its own, a link that of another row.
func (t table) renewed(r record, books map[string]table) (change, bool) {
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
			return change{}, false
		}
	}
	return t.copied(r, "doubled under a new key", fresh), len(fresh) > 0
}

func (t table) free(r record, key []string, books map[string]table) (name, value string, ok bool) {
	for _, k := range key {
		switch c := t.column(k); {
		case t.linked(k) || c.allowed != nil || c.kind == "character":
		case c.kind == "text":
			return k, literal(fmt.Sprint(r[k]) + "~"), true
		case c.kind == "integer" || c.kind == "bigint":
			return k, fmt.Sprintf("(select max(%s) + 1 from %s)", k, t.name), true
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
			l.key, l.target, t.name, strings.Join(same, " and ")), true
	}
	return "", "", false
}
