package statement_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
	"github.com/fedflattr/flattrd/ledger/statement"
)

func written(t *testing.T, d statement.Document, err error) string {
	t.Helper()
	var b bytes.Buffer
	if err == nil {
		err = d.Write(context.Background(), &b)
	}
	if err != nil {
		t.Fatalf("%s: %v", d.Name, err)
	}
	return b.String()
}

func member(t *testing.T, i *ledgertest.Instance, name string) ledger.Member {
	t.Helper()
	m, err := i.MemberByName(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// table reads CSV by column; header is the first line.
func table(t *testing.T, text string) (rows []map[string]string) {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// sum adds a column of exact decimals up, in micro-units; empty cells are nothing.
func sum(t *testing.T, rows []map[string]string, column string) (total int64) {
	t.Helper()
	for _, row := range rows {
		if row[column] == "" {
			continue
		}
		n, err := strconv.ParseInt(strings.Replace(row[column], ".", "", 1), 10, 64)
		if err != nil || len(row[column])-strings.IndexByte(row[column], '.') != 7 {
			t.Fatalf("%s %q", column, row[column])
		}
		total += n
	}
	return total
}

// TestPlayedMonths reads the statements of two months between three instances.
func TestPlayedMonths(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{Uneven: true})
	for name, test := range map[string]func(*testing.T, *ledgertest.Months){"given": testGiven, "pledges": testPledges, "revenue": testRevenue,
		"instance": testInstance, "documented": testDocumented, "journal": testJournal, "journal of a month": testJournalOfAMonth} {
		t.Run(name, func(t *testing.T) { test(t, m) })
	}
}

// testGiven: every giver's settled months add up to the budget, with what rolled over and what came back.
func testGiven(t *testing.T, m *ledgertest.Months) {
	for name, want := range map[string]struct{ budget, rolled, returned int64 }{"alice": {1_000_000, 0, 125_000},
		"axel": {3_000_000, 3_000_000, 0}, "dora": {800_000, 0, 400_000}, "poor": {0, 0, 0}} {
		given := func(format string) string {
			d, err := statement.Given(m.A.Ledger, member(t, m.A, name), "2026-11", format)
			return written(t, d, err)
		}
		rows := table(t, given(statement.CSV))
		rolled := slices.DeleteFunc(slices.Clone(rows), func(r map[string]string) bool { return r["kind"] != "rolled-over" })
		if sum(t, rows, "amount") != want.budget || sum(t, rolled, "amount") != want.rolled || sum(t, rows, "returned") != want.returned {
			t.Errorf("%s: %v", name, rows)
		}
		var doc struct{ Budget, Given, RolledOver, Fee, Returned string }
		if err := json.Unmarshal([]byte(given(statement.JSON)), &doc); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(doc); got != fmt.Sprintf("{%d %d %d 0 %d}", want.budget, want.budget-want.rolled, want.rolled, want.returned) {
			t.Errorf("%s: %s", name, got)
		}
	}
	d, err := statement.Given(m.A.Ledger, member(t, m.A, "axel"), "2026-11", statement.CSV)
	carried := table(t, written(t, d, err))[0]
	delete(carried, "thing")
	if diff := cmp.Diff(map[string]string{"month": "2026-11", "month_state": "settled", "kind": "flattr", "url": "https://blog.example/mute/1", "title": "1",
		"payee": "https://d.example/users/mute", "payee_name": "mute", "clicked_at": "2026-11-10T12:00:00Z", "state": "carried", "times_carried": "0",
		"amount": "", "returned": "0.000000", "currency": "EUR", "pledged": ""}, carried); diff != "" {
		t.Error(diff)
	}
}

// testRevenue: the rows add up to what the payee earned, by instance and in all, and the classic file to
// the same.
func testRevenue(t *testing.T, m *ledgertest.Months) {
	bob := member(t, m.B, "bob")
	d, err := statement.Revenue(m.B.Ledger, bob, "2026-11", statement.CSV)
	rows := table(t, written(t, d, err))
	byInstance := map[string]int64{}
	for _, row := range rows {
		byInstance[row["instance"]] += sum(t, []map[string]string{row}, "amount")
		if row["thing"] == "https://b.example/users/bob/thing" && (row["title"] != "" || row["instance"] != "d.example") {
			t.Errorf("a thing that nobody here knows: %v", row)
		}
	}
	odd := byInstance["a.example"] - 875_000 // a third of 1.00
	if diff := cmp.Diff(map[string]int64{"a.example": 875_000 + odd, "b.example": 250_000, "c.example": 250_000, "d.example": 305_000}, byInstance); diff != "" || odd != 333_333 && odd != 333_334 {
		t.Error(diff)
	}
	var doc struct {
		Flattrs                                 int64
		Amount, Announced, Available, Withdrawn string
		Sources, Things                         []map[string]any
	}
	d, err = statement.Revenue(m.B.Ledger, bob, "2026-11", statement.JSON)
	if err := json.Unmarshal([]byte(written(t, d, err)), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Amount != fmt.Sprint(1_680_000+odd) || doc.Flattrs != 13 || len(doc.Sources) != 5 || len(doc.Things) != len(rows) {
		t.Errorf("%+v", doc)
	}
	testFee(t, m, bob)
	d, err = statement.Revenue(m.B.Ledger, bob, "2026-11", statement.Classic)
	classic := csv.NewReader(strings.NewReader(written(t, d, err)))
	classic.Comma = ';'
	all, err := classic.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	clicks, revenue := 0, int64(0)
	for _, row := range all[1:] {
		n, err := strconv.Atoi(row[5])
		if err != nil {
			t.Fatal(err)
		}
		clicks += n
		if whole, fraction, told := strings.Cut(row[6], ","); told {
			micro, err := strconv.ParseInt(whole+(fraction + "0000")[:6], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			revenue += micro
		}
	}
	if clicks != 13 || revenue != 1_680_000+odd {
		t.Errorf("%d clicks, %d: %v", clicks, revenue, all)
	}
	if d, err := statement.Earned(m.B.Ledger, bob, statement.CSV); sum(t, table(t, written(t, d, err)), "amount") != 1_680_000+odd+1_320_000 {
		t.Errorf("all months: %s", written(t, d, err))
	}
}

// testFee: in December the instance kept 3.33 of a hundred of what came; the rows tell gross, fee and net.
func testFee(t *testing.T, m *ledgertest.Months, bob ledger.Member) {
	t.Helper()
	d, err := statement.Revenue(m.B.Ledger, bob, "2026-12", statement.CSV)
	all := table(t, written(t, d, err))
	kept := slices.DeleteFunc(slices.Clone(all), func(r map[string]string) bool { return r["kind"] != "fee" })
	var doc struct{ Amount, Announced, Available, Fee, Net string }
	d, err = statement.Revenue(m.B.Ledger, bob, "2026-12", statement.JSON)
	if err := json.Unmarshal([]byte(written(t, d, err)), &doc); err != nil {
		t.Fatal(err)
	}
	amounts := map[string]int64{}
	for name, text := range map[string]string{"announced": doc.Announced, "available": doc.Available, "fee": doc.Fee, "net": doc.Net} {
		if amounts[name], err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if fee := amounts["fee"]; fee != amounts["available"]*333/10_000 || fee == 0 || amounts["net"] != amounts["available"]-fee ||
		sum(t, kept, "amount") != -fee || sum(t, all, "amount") != amounts["announced"]+amounts["net"] {
		t.Errorf("%+v: %v", doc, all)
	}
}

// testInstance: the sums of a month are the sums of its parts, on every instance.
func testInstance(t *testing.T, m *ledgertest.Months) {
	for _, i := range []*ledgertest.Instance{m.A, m.B, m.C} {
		for _, period := range []string{"2026-11", "2026-12", "2027-01"} {
			d, err := statement.Instance(i.Ledger, period, statement.CSV)
			by := map[string][]map[string]string{}
			for _, row := range table(t, written(t, d, err)) {
				by[row["kind"]] = append(by[row["kind"]], row)
			}
			of := func(kind, column string) int64 { return sum(t, by[kind], column) }
			back := map[string]bool{}
			for _, iri := range ledgertest.Collect[string](t, i.Pool, `select iri from claim where adopted and direction = 'out'`) {
				back[iri] = true // no share stands behind it
			}
			live := slices.DeleteFunc(slices.Clone(by["claim-out"]), func(r map[string]string) bool {
				return r["state"] == "superseded" || r["state"] == "refused" || back[r["reference"]]
			})
			if period != "2027-01" && of("reserved", "amount") != of("shared", "amount")+of("rolled-over", "amount")+of("donated", "amount") ||
				of("shared", "amount") != of("earned", "amount")+of("claimed", "amount") ||
				of("claimed", "amount") != sum(t, live, "amount")+of("returned", "amount") || of("reserved", "amount") == 0 {
				t.Errorf("%s %s: %v", i.Instance().Host, period, by)
			}
			for _, way := range []string{"out", "in"} {
				if paid := of("payment-"+way, "paid") + of("netting-"+way, "paid"); of("claim-"+way, "paid") != paid {
					t.Errorf("%s %s: claims %s paid %d, payments %d", i.Instance().Host, period, way, of("claim-"+way, "paid"), paid)
				}
			}
		}
	}
}

// TestUnknown: what isn't there isn't found, before or when it is written.
func TestUnknown(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	alice := i.Join("alice")
	for name, make := range map[string]func() (statement.Document, error){
		"format": func() (statement.Document, error) { return statement.Given(i.Ledger, alice, "2026-11", "pdf") },
		"classic of givers": func() (statement.Document, error) {
			return statement.Given(i.Ledger, alice, "2026-11", statement.Classic)
		},
		"month": func() (statement.Document, error) { return statement.Given(i.Ledger, alice, "2020-01", statement.CSV) },
		"no month": func() (statement.Document, error) {
			return statement.Revenue(i.Ledger, alice, "../../x", statement.CSV)
		},
		"revenue": func() (statement.Document, error) {
			return statement.Revenue(i.Ledger, alice, "2020-01", statement.JSON)
		},
		"classic": func() (statement.Document, error) {
			return statement.Revenue(i.Ledger, alice, "2020-01", statement.Classic)
		},
		"instance": func() (statement.Document, error) { return statement.Instance(i.Ledger, "2020-01", statement.JSON) },
	} {
		d, err := make()
		if err == nil {
			err = d.Write(context.Background(), new(bytes.Buffer))
		}
		if err == nil || !strings.Contains(err.Error(), ledger.ErrNotFound.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// testDocumented: STATEMENTS.md has every header line as it is written, and an example with the same
// names, and values of the same kinds, for every JSON document.
func testDocumented(t *testing.T, m *ledgertest.Months) {
	page, err := os.ReadFile("../../STATEMENTS.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := blocks(string(page), "json")
	headers := blocks(string(page), "csv")
	alice, bob := member(t, m.A, "alice"), member(t, m.B, "bob")
	for name, make := range map[string]func(format string) (statement.Document, error){
		"Given":         func(f string) (statement.Document, error) { return statement.Given(m.A.Ledger, alice, "2026-11", f) },
		"Revenue":       func(f string) (statement.Document, error) { return statement.Revenue(m.B.Ledger, bob, "2026-11", f) },
		"Earned":        func(f string) (statement.Document, error) { return statement.Earned(m.B.Ledger, bob, f) },
		"InstanceMonth": func(f string) (statement.Document, error) { return statement.Instance(m.A.Ledger, "2026-11", f) },
	} {
		d, err := make(statement.JSON)
		got := shape(t, written(t, d, err))
		k := slices.IndexFunc(examples, func(e string) bool { return strings.Contains(e, `"type":"`+name+`"`) })
		if k < 0 {
			t.Fatalf("no example of %s", name)
		}
		if diff := cmp.Diff(shape(t, examples[k]), got); diff != "" {
			t.Errorf("%s is documented otherwise: %s", name, diff)
		}
		d, err = make(statement.CSV)
		if header, _, _ := strings.Cut(written(t, d, err), "\r\n"); !slices.Contains(headers, header+"\n") {
			t.Errorf("not documented: %s", header)
		}
	}
	d, err := statement.Revenue(m.B.Ledger, bob, "2026-11", statement.Classic)
	if header, _, _ := strings.Cut(written(t, d, err), "\r\n"); !slices.Contains(headers, header+"\n") {
		t.Errorf("not documented: %s", header)
	}
}

// blocks are a page's blocks of a language.
func blocks(page, language string) (all []string) {
	for _, rest := range strings.Split(page, "```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(rest, "```")
		all = append(all, block)
	}
	return all
}

// shape is what a document has: the path of every member, and whether it is a string, a number, or a list.
// null stands for any.
func shape(t *testing.T, raw string) []string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	found := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				walk(path+"/"+name, inner)
			}
		case []any:
			for _, inner := range v {
				walk(path+"[]", inner)
			}
		case float64:
			found[path+" number"] = true
		default:
			found[path] = true
		}
	}
	walk("", v)
	return slices.Sorted(maps.Keys(found))
}
