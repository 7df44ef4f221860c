package ledger_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones, wherever the tests run

	"pgregory.net/rapid"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

var zones = []string{"Pacific/Kiritimati", "America/St_Johns", "Europe/Berlin", "Pacific/Niue"}

// TestPeriodOf: the month of an instant is that of UTC, in whatever zone a clock tells it, on the days
// of Berlin's summer time too.
func TestPeriodOf(t *testing.T) {
	t.Parallel()
	for instant, want := range map[string]string{
		"2026-11-30T23:59:59.999Z": "2026-11", "2026-12-01T00:00:00.000Z": "2026-12",
		"2026-12-31T23:59:59.999999Z": "2026-12", "2027-01-01T00:00:00Z": "2027-01",
		"2028-02-29T12:00:00Z": "2028-02", "2026-03-29T01:30:00Z": "2026-03", "2026-10-25T00:30:00Z": "2026-10",
	} {
		at, err := time.Parse(time.RFC3339Nano, instant)
		if err != nil {
			t.Fatal(err)
		}
		for _, zone := range zones {
			place, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := ledger.PeriodOf(at.In(place)); got != want {
				t.Errorf("%s is in %s, told in %s", instant, got, zone)
			}
		}
	}
}

// TestPeriodsFollowEachOther: a month ends where the next begins.
func TestPeriodsFollowEachOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 7_000_000_000).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nano"))
		period := ledger.PeriodOf(at)
		end := ledger.PeriodEnd(period)
		switch {
		case !ledger.ValidPeriod(period) || !at.Before(end):
			t.Fatalf("%v is in %s, which ends at %v", at, period, end)
		case ledger.PeriodOf(end) != ledger.NextPeriod(period) || ledger.PeriodOf(end.Add(-1)) != period:
			t.Fatalf("after %s comes %s, and not at %v", period, ledger.NextPeriod(period), end)
		}
	})
	for _, bad := range []string{"", "2026-13", "2026-00", "2026-1", "26-11", "2026-11-01", "2026-11\n", " 2026-11", "2026/11", "２026-11"} {
		if ledger.ValidPeriod(bad) {
			t.Errorf("%q is a month", bad)
		}
	}
}

// TestMonthBoundary: a click at 23:59:59.999 UTC is of the month that ends, one at 00:00:00.000 of
// the month that begins, on a machine in any zone.
func TestMonthBoundary(t *testing.T) {
	t.Parallel()
	if place, err := time.LoadLocation(os.Getenv("TZ")); err != nil || ledgertest.Start.In(place).Hour() != ledgertest.Start.In(time.Local).Hour() {
		t.Fatalf("this process isn't in %s: %v", place, err)
	}
	i := ledgertest.New(t)
	ctx := context.Background()
	alice, bob := i.Join("alice"), i.Join("bob")
	if _, err := i.RecordDeposit(ctx, i.Op.ID, "alice", 9_000_000, "first"); err != nil {
		t.Fatal(err)
	}
	if err := i.SetBudget(ctx, alice.ID, 1_000_000); err != nil {
		t.Fatal(err)
	}
	_, first := i.Button(bob, "1")
	for _, c := range []struct {
		at, period string
		again      bool
	}{
		{"2026-11-30T23:59:59.999Z", "2026-11", false},
		{"2026-12-01T00:00:00.000Z", "2026-12", false},
		{"2026-12-31T23:59:59.999999Z", "2026-12", true},
		{"2027-01-01T00:00:00.000Z", "2027-01", false},
	} {
		at, err := time.Parse(time.RFC3339Nano, c.at)
		if err != nil {
			t.Fatal(err)
		}
		i.Clock.Set(at.In(time.Local))
		if err := i.Tick(ctx); err != nil {
			t.Fatal(err)
		}
		f, again, err := i.Flattr(ctx, alice.ID, first.ID)
		if err != nil || f.Period != c.period || again != c.again || !again && !f.MadeAt.Equal(at) {
			t.Errorf("%s: a click of %s made at %v, again %v, %v", c.at, f.Period, f.MadeAt, again, err)
		}
		if months, err := i.Months(ctx); err != nil || months[0].Period != c.period || !i.Now().Equal(at) || i.Now().Location() != time.UTC {
			t.Errorf("%s: %+v is open, the ledger's clock is at %v, %v", c.at, months[0], i.Now(), err)
		}
	}
}

// TestZones runs the tests of the boundary and the scripts on machines in other zones.
func TestZones(t *testing.T) {
	t.Parallel()
	for _, zone := range zones {
		cmd := exec.Command(os.Args[0], "-test.run", "^(TestMonthBoundary|TestScripts)$", "-test.v")
		cmd.Env = append(os.Environ(), "TZ="+zone, "PGTZ="+zone)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Count(string(out), "--- PASS: ") < 3 {
			t.Errorf("%s: %v\n%s", zone, err, out)
		}
	}
}
