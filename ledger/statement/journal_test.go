package statement_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
	"github.com/fedflattr/flattrd/ledger/statement"
)

// hledger runs the real program on a journal, strictly: every account and commodity must be declared, every
// transaction balanced and every assertion true.
func hledger(t *testing.T, journal []byte, args ...string) []byte {
	t.Helper()
	program, err := exec.LookPath("hledger")
	if err != nil {
		t.Fatalf("the export is checked by hledger (apt install hledger): %v", err)
	}
	cmd := exec.Command(program, append([]string{"-f", "-", "--strict"}, args...)...)
	cmd.Env = []string{"LANG=C.UTF-8", "HOME=" + t.TempDir()}
	cmd.Stdin = bytes.NewReader(journal)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("hledger %v: %v\n%s", args, err, said.String())
	}
	return out.Bytes()
}

func export(t *testing.T, i *ledgertest.Instance, o statement.JournalOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := statement.Journal(context.Background(), i.Ledger, &b, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// balances are hledger's, by account without its sub-accounts, as it writes them; zero ones are left out.
func balances(t *testing.T, journal []byte, args ...string) map[string]string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(hledger(t, journal, append([]string{"balance", "--flat", "-O", "csv"}, args...)...))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, r := range rows[1:] {
		all[r[0]] = r[1]
	}
	delete(all, "total")
	delete(all, "Total:")
	return all
}

// booked are the accounts of the database under hledger's names, written here once more: what is free and
// what is reserved, debit-positive.
const booked = `
	select name || suffix, amount from (
	  select case a.kind when 'bank' then 'assets:bank:EUR' when 'suspense' then 'assets:suspense' when 'clearing' then 'liabilities:clearing'
	    when 'cause' then 'liabilities:cause' when 'fee' then 'income:fee' when 'receivable' then 'assets:peers:receivable:' || p.host
	    when 'advance' then 'assets:peers:advance:' || p.host when 'loss' then 'expenses:loss'
	    when 'payable' then 'liabilities:peers:payable:' || p.host when 'peer_credit' then 'liabilities:peers:peer_credit:' || p.host
	    when 'recovery' then 'liabilities:peers:recovery:' || p.host
	    else 'liabilities:members:' || a.kind || ':' || a.owner end as name, s.suffix, s.amount
	  from account a left join peer p on p.id = a.owner
	  cross join lateral (values ('', debits_posted - credits_posted + debits_pending), (':reserved', -debits_pending)) s (suffix, amount)) x
	where amount <> 0`

func bookedBalances(t *testing.T, i *ledgertest.Instance) map[string]string {
	t.Helper()
	found, err := i.Pool.Query(context.Background(), booked)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	all := map[string]string{}
	for found.Next() {
		var name string
		var amount int64
		if err := found.Scan(&name, &amount); err != nil {
			t.Fatal(err)
		}
		sign := ""
		if amount < 0 {
			sign, amount = "-", -amount
		}
		all[name] = fmt.Sprintf("%s%d.%06d EUR", sign, amount/1_000_000, amount%1_000_000)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// testJournal: hledger reads the whole books, and every balance is the account's.
func testJournal(t *testing.T, m *ledgertest.Months) {
	kinds := map[string]bool{}
	for _, i := range []*ledgertest.Instance{m.A, m.B, m.C} {
		journal := export(t, i, statement.JournalOptions{Assert: true})
		hledger(t, journal, "check", "ordereddates")
		want := bookedBalances(t, i)
		if d := cmp.Diff(want, balances(t, journal)); d != "" {
			t.Errorf("%s: %s", i.Instance().Host, d)
		}
		for name := range want {
			kinds[strings.Join(strings.SplitN(name, ":", 4)[:min(3, strings.Count(name, ":")+1)], ":")] = true
		}
		var transfers int
		if err := i.Pool.QueryRow(context.Background(), `select count(*) from transfer`).Scan(&transfers); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(journal, []byte(" (")); n != transfers {
			t.Errorf("%s: %d transactions for %d transfers", i.Instance().Host, n, transfers)
		}
	}
	if len(kinds) < 8 {
		t.Errorf("only these kinds of accounts have a balance: %v", kinds)
	}
}

// testJournalOfAMonth: a part of the books begins with the balances before it and ends with those after it,
// so that the parts, one after the other, are the whole.
func testJournalOfAMonth(t *testing.T, m *ledgertest.Months) {
	december, january := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	whole := export(t, m.A, statement.JournalOptions{})
	parts := map[string]statement.JournalOptions{"2026-12-01": {To: december, Assert: true},
		"2027-01-01": {From: december, To: january, Assert: true}, "2027-02-01": {From: january, Assert: true}}
	transfers := 0
	for end, o := range parts {
		part := export(t, m.A, o)
		got := balances(t, part)
		delete(got, "equity:opening balances")
		if d := cmp.Diff(balances(t, whole, "--end", end), got); d != "" {
			t.Errorf("until %s: %s", end, d)
		}
		transfers += bytes.Count(part, []byte(" ("))
	}
	if n := bytes.Count(whole, []byte(" (")); transfers != n {
		t.Errorf("the parts have %d transfers, the whole has %d", transfers, n)
	}
}

// TestJournalFindsWhatIsMissing: the assertions are the accounts' own word, so a transfer that isn't there
// shows.
func TestJournalFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	i.Fund(i.Join("alice"), 5_000_000)
	journal := string(export(t, i, statement.JournalOptions{Assert: true}))
	from := strings.Index(journal, "\n2026-11-10 * (")
	to := from + 1 + strings.Index(journal[from+1:], "\n2026-11-10")
	cmd := exec.Command("hledger", "-f", "-", "check")
	cmd.Stdin = strings.NewReader(journal[:from] + journal[to:])
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "balance assertion") {
		t.Errorf("%v: %s", err, out)
	}
}
