package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// documentKeys are the members of each object of the demo's document, by its path.
var documentKeys = map[string][]string{
	"":               {"claims", "givers", "instances", "invariants", "month", "payees"},
	".givers":        {"budget", "giver", "returned", "rolledOver", "shares"},
	".givers.shares": {"amount", "payee", "thing"},
	".claims":        {"amount", "from", "state", "to"},
	".payees":        {"announced", "available", "payee", "withdrawn"},
}

// readDocument reads standard output, which holds one JSON document of exactly the known shape.
func readDocument(t *testing.T, text string) statement {
	t.Helper()
	var all any
	decoder := json.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&all); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		t.Fatalf("more than a document (%v):\n%s", err, text)
	}
	hasShape(t, "", all)
	var s statement
	if err := json.Unmarshal([]byte(text), &s); err != nil { // an amount that is no integer of 64 bits fails
		t.Fatal(err)
	}
	return s
}

func hasShape(t *testing.T, path string, value any) {
	t.Helper()
	switch v := value.(type) {
	case nil:
		t.Errorf("%s is null", path)
	case []any:
		for _, one := range v {
			hasShape(t, path, one)
		}
	case map[string]any:
		if keys := slices.Sorted(maps.Keys(v)); !slices.Equal(keys, documentKeys[path]) {
			t.Errorf("an object at %q has %q, want %q", path, keys, documentKeys[path])
		}
		for key, one := range v {
			hasShape(t, path+"."+key, one)
		}
	}
}

// wantGivers are the month's outcomes, by name: what each flattr came to, from the smallest. The odd
// micro-unit falls on a thing by hash, so only its size is known.
var wantGivers = map[string]giverMonth{
	"alice": {Budget: 1_000_000, Shares: amounts(10, 100_000)},
	"frank": {Budget: 2_000_000, RolledOver: 2_000_000},
	"ivy":   {},
	"anna":  {Budget: 1_000_000, RolledOver: 1_000_000},
	"dave":  {Budget: 1_000_000, Shares: append(amounts(2, 333_333), amounts(1, 333_334)...)},
	"grace": {Budget: 500_000, Shares: amounts(2, 250_000)},
	"bob":   {Budget: 1_000_000, RolledOver: 1_000_000},
	"henry": {Budget: 1_000_000, RolledOver: 1_000_000},
	"erin":  {Budget: 7_000_000, Shares: append(amounts(6, 538_461), amounts(7, 538_462)...)},
	"carla": {},
	"judy":  {},
}

// wantGifts says to whom each giver's shares went.
var wantGifts = map[string]map[string]int{
	"alice": {"anna": 3, "bob": 3, "henry": 1, "carla": 3}, // henry was held, and then funded
	"dave":  {"anna": 1, "carla": 1, "judy": 1},            // anna's clicked twice, carla's second undone
	"grace": {"anna": 1, "carla": 1},                       // clicked before funding
	"erin":  {"anna": 4, "bob": 5, "henry": 2, "carla": 2},
}

func amounts(n int, each int64) []shareLine {
	return slices.Repeat([]shareLine{{Amount: each}}, n)
}

// nameOf is the first part of a handle.
func nameOf(handle string) string {
	name, _, _ := strings.Cut(handle, "@")
	return name
}

// hostOf is the second part of a handle.
func hostOf(handle string) string {
	_, host, _ := strings.Cut(handle, "@")
	return host
}

// isTheMonth asserts everything that the scenario makes certain.
func isTheMonth(t *testing.T, s statement) {
	t.Helper()
	if s.Invariants != "ok" {
		t.Errorf("invariants: %s", s.Invariants)
	}
	if !regexp.MustCompile(`^\d{4}-\d{2}$`).MatchString(s.Month) {
		t.Errorf("month %q", s.Month)
	}
	if len(s.Instances) != 3 || !regexp.MustCompile(`^a\.localhost:(\d+) b\.localhost:(\d+) c\.localhost:(\d+)$`).
		MatchString(strings.Join(s.Instances, " ")) {
		t.Fatalf("instances %q", s.Instances)
	}
	giversAreRight(t, s)
	claimsAreRight(t, s)
	payeesAreRight(t, s)
}

func giversAreRight(t *testing.T, s statement) {
	t.Helper()
	if len(s.Givers) != len(wantGivers) {
		t.Errorf("%d givers, want %d", len(s.Givers), len(wantGivers))
	}
	for _, g := range s.Givers {
		name := nameOf(g.Giver)
		got := giverMonth{Budget: g.Budget, RolledOver: g.RolledOver}
		sum, gifts, things, judys := g.RolledOver, map[string]int{}, map[string]bool{}, int64(0)
		for _, share := range g.Shares {
			got.Shares = append(got.Shares, shareLine{Amount: share.Amount})
			sum += share.Amount
			gifts[nameOf(share.Payee)]++
			things[share.Thing] = true
			if !strings.HasPrefix(share.Thing, "http://"+hostOf(share.Payee)+"/buttons/") {
				t.Errorf("%s: the thing %s isn't at the home of %s", g.Giver, share.Thing, share.Payee)
			}
			if nameOf(share.Payee) == "judy" {
				judys += share.Amount
			}
		}
		slices.SortFunc(got.Shares, func(a, b shareLine) int { return int(a.Amount - b.Amount) })
		if diff := cmp.Diff(wantGivers[name], got); diff != "" {
			t.Errorf("%s: want -, got +\n%s", g.Giver, diff)
		}
		if want := wantGifts[name]; len(gifts) != len(want) || cmp.Diff(want, gifts) != "" && len(want) > 0 {
			t.Errorf("%s gave to %v, want %v", g.Giver, gifts, want)
		}
		if sum != g.Budget || len(things) != len(g.Shares) || g.Returned != judys {
			t.Errorf("%s: %d of %d spent on %d things in %d shares, %d returned, %d of judy's",
				g.Giver, sum, g.Budget, len(things), len(g.Shares), g.Returned, judys)
		}
	}
}

// claimsAreRight: per pair of instances, what the givers' shares say; judy's is refused once.
func claimsAreRight(t *testing.T, s statement) {
	t.Helper()
	want := map[string]int64{}
	for _, g := range s.Givers {
		for _, share := range g.Shares {
			from, to := hostOf(g.Giver), hostOf(share.Payee)
			if from == to {
				continue
			}
			if nameOf(share.Payee) == "judy" {
				want[from+" "+to+" "+ledger.Superseded] += share.Amount
				continue
			}
			want[from+" "+to+" "+ledger.Confirmed] += share.Amount
		}
	}
	for key := range maps.Clone(want) {
		if pair, ok := strings.CutSuffix(key, ledger.Superseded); ok {
			want[key] += want[pair+ledger.Confirmed] // the first claim held everything
		}
	}
	got := map[string]int64{}
	for _, c := range s.Claims {
		got[c.From+" "+c.To+" "+c.State] += c.Amount
	}
	if diff := cmp.Diff(want, got); diff != "" || len(s.Claims) != 7 {
		t.Errorf("%d claims, want -, got +\n%s", len(s.Claims), diff)
	}
}

// payeesAreRight: what was given is announced, available or withdrawn, and announced is no more than
// the fractions of a cent that no bank moves.
func payeesAreRight(t *testing.T, s statement) {
	t.Helper()
	given, fractions := map[string]int64{}, map[string]int64{}
	for _, g := range s.Givers {
		for _, share := range g.Shares {
			if nameOf(share.Payee) != "judy" {
				given[share.Payee] += share.Amount
			}
		}
	}
	for _, c := range s.Claims {
		if c.State == ledger.Confirmed {
			fractions[c.To] += c.Amount % 10_000
		}
	}
	got, announced := map[string]int64{}, map[string]int64{}
	for _, p := range s.Payees {
		got[p.Payee] = p.Announced + p.Available + p.Withdrawn
		announced[hostOf(p.Payee)] += p.Announced
		switch name := nameOf(p.Payee); name {
		case "anna", "bob":
			if p.Withdrawn == 0 || p.Withdrawn%10_000 != 0 || p.Available >= 10_000 {
				t.Errorf("%s has withdrawn %d and left %d", p.Payee, p.Withdrawn, p.Available)
			}
		default:
			if p.Withdrawn != 0 || p.Available == 0 {
				t.Errorf("%s has %d available and %d withdrawn", p.Payee, p.Available, p.Withdrawn)
			}
		}
	}
	if diff := cmp.Diff(given, got) + cmp.Diff(fractions, announced); diff != "" {
		t.Errorf("payees: want -, got +\n%s", diff)
	}
}

// wasNoisy: progress is a line for each scene, and nothing else is said beside the document.
func wasNoisy(t *testing.T, stderr string) {
	t.Helper()
	for k, line := range strings.Split(strings.TrimSpace(stderr), "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), fmt.Sprint(k+1)+"  ") {
			t.Errorf("noise on standard error: %s", line)
		}
	}
	if !strings.Contains(stderr, "10  payees withdraw\n") {
		t.Errorf("no progress on standard error:\n%s", stderr)
	}
}

// With nothing set, as an ordinary user without a home.
func TestDemoDocument(t *testing.T) {
	program(t)
	t.Parallel()
	cmd := command(t, []string{"HOME=/nonexistent"}, "demo", "--json")
	asNobody(t, cmd)
	o := finish(t, cmd)
	o.wants(t, 0, nil, nil)
	wasNoisy(t, o.stderr)
	isTheMonth(t, readDocument(t, o.stdout))
}

// For people: a table; and nothing is left behind.
func TestDemoTable(t *testing.T) {
	program(t)
	t.Parallel()
	place := roomyDir(t)
	o := invoke(t, []string{"TMPDIR=" + place}, "demo")
	o.wants(t, 0, nil, nil)
	wasNoisy(t, o.stderr)
	for _, line := range []string{
		`GIVER +BUDGET +FLATTRS +EACH +ROLLED OVER +RETURNED`,
		`alice@a\.localhost:\d+ +1\.00 +10 +0\.10 +0\.00 +0\.00`,
		`dave@b\.localhost:\d+ +1\.00 +3 +0\.333333 or 0\.333334 +0\.00 +0\.33333[34]`,
		`erin@c\.localhost:\d+ +7\.00 +13 +0\.538461 or 0\.538462 +0\.00 +0\.00`,
		`frank@a\.localhost:\d+ +2\.00 +0 +2\.00 +0\.00`,
		`CLAIM FROM +TO +AMOUNT +STATE`,
		`a\.localhost:\d+ +b\.localhost:\d+ +0\.40 +confirmed`,
		`PAYEE +ANNOUNCED +AVAILABLE +WITHDRAWN`,
		`anna@a\.localhost:\d+ +0\.00\d+ +\d\.\d+ +3\.03`,
		`Invariants: ok`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(o.stdout) {
			t.Errorf("no line %s in:\n%s", line, o.stdout)
		}
	}
	isEmpty(t, place)
}

func isEmpty(t *testing.T, dir string) {
	t.Helper()
	leavesNoServer(t, dir)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v %v", dir, left, err)
	}
}

// A program that is told to stop in the middle cleans up too, and doesn't look like a success.
func TestDemoInterrupted(t *testing.T) {
	program(t)
	t.Parallel()
	for k, env := range []string{"", "FLATTRD_DATABASE_URL="} {
		place := roomyDir(t)
		seen := func() []string { return nil }
		if env != "" {
			var dsn string
			dsn, seen = watchedServer(t, fmt.Sprintf("interrupted-%d-%d", k, os.Getpid()))
			env += dsn
		}
		s := begin(t, command(t, []string{"TMPDIR=" + place, env}, "demo", "--json"), " 3  buttons on pages")
		if code := s.end(t, os.Interrupt); code != 130 || s.stdout() != "" || !strings.Contains(s.stderr(), "flattrd: interrupted") {
			t.Errorf("exit status %d, standard output %q, standard error:\n%s", code, s.stdout(), s.stderr())
		}
		isEmpty(t, place)
		if env != "" {
			areGone(t, seen())
		}
	}
}

// On a given server the demo makes three databases, and drops them.
func TestDemoOnAServer(t *testing.T) {
	program(t)
	t.Parallel()
	dsn, seen := watchedServer(t, fmt.Sprintf("demo-%d", os.Getpid()))
	place := roomyDir(t)
	o := invoke(t, []string{"FLATTRD_DATABASE_URL=" + dsn, "TMPDIR=" + place, "HOME=/nonexistent"}, "demo", "--json")
	o.wants(t, 0, nil, nil)
	s := readDocument(t, o.stdout)
	isTheMonth(t, s)
	var want []string
	for _, host := range s.Instances {
		letter, port, _ := strings.Cut(host, ".localhost:")
		want = append(want, "flattrd_"+letter+"_"+port)
	}
	if all := seen(); !slices.Equal(all, want) {
		t.Errorf("worked in the databases %q, want %q", all, want)
	}
	areGone(t, want)
	isEmpty(t, place)
}

// watchedServer is the address of the server to test on, for a program known by a name there, and the
// databases that it has been seen in until it is asked for them.
func watchedServer(t *testing.T, name string) (dsn string, seen func() []string) {
	t.Helper()
	dsn = ledgertest.ServerDSN(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	stop, all := make(chan struct{}), map[string]bool{}
	var watching sync.WaitGroup
	watching.Go(func() {
		defer conn.Close(context.Background())
		for {
			rows, _ := conn.Query(context.Background(), `select distinct datname from pg_stat_activity
				where application_name = $1 and datname like 'flattrd%'`, name)
			names, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Error(err)
				return
			}
			for _, one := range names {
				all[one] = true
			}
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	ask := sync.OnceFunc(func() { close(stop); watching.Wait() })
	t.Cleanup(ask)
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	return dsn + separator + "application_name=" + name, func() []string { ask(); return slices.Sorted(maps.Keys(all)) }
}

// areGone asserts that there were three databases and none of them is left.
func areGone(t *testing.T, names []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), ledgertest.ServerDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var left int
	if err := conn.QueryRow(t.Context(), `select count(*) from pg_database where datname = any ($1)`, names).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if len(names) != 3 || left > 0 {
		t.Errorf("%d of the databases %q are left", left, names)
	}
}
