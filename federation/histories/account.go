package histories

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// Differ plays the history of a seed twice, once in calm and once in rough weather, and returns in what the ledgers
// differ; "" if in nothing. Whatever else is wrong fails t.
func Differ(t testing.TB, seed uint64) string {
	t.Helper()
	p := newPlan(seed)
	return compare(tell(t, p, federationtest.Weather{}), tell(t, p, rough(seed)))
}

// rough is the weather of every history's second run: one attempt in four fails one way or another,
// messages arrive up to ten times, and up to four days late.
func rough(seed uint64) federationtest.Weather {
	return federationtest.Weather{Seed: seed, Lose: 0.12, Unheard: 0.1, Deaf: 0.04, Repeat: 10, Delay: 96 * time.Hour, GiveWay: 5}
}

// account is what a history came to.
type account struct {
	said  []string            // by each step
	lines map[string][]string // of each instance
	tally federationtest.Tally
}

// tell plays a plan and takes down what came of it. The books of each instance, and all together, must
// be in order, whatever the weather was.
func tell(t testing.TB, p plan, weather federationtest.Weather) account {
	t.Helper()
	s := setStage(t, p, weather, ledgertest.NoNetting) // when that comes depends on the weather
	defer s.Close()
	a := account{said: s.play(p, weather != federationtest.Weather{}), lines: map[string][]string{}}
	for _, i := range s.Instances() {
		lines, err := i.Lines(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		a.lines[i.Name] = lines
	}
	for _, fault := range s.Faults() {
		t.Errorf("seed %d: %s", p.seed, fault)
	}
	a.tally = s.Network.Tally()
	return a
}

// compare returns what differs, "" if nothing does.
func compare(calm, rough account) string {
	var diff strings.Builder
	write := func(sign, from string, lines, others []string) {
		for _, line := range without(lines, others) {
			fmt.Fprintf(&diff, "%s %s %s\n", sign, from, line)
		}
	}
	write("-", "step", calm.said, rough.said)
	write("+", "step", rough.said, calm.said)
	for _, name := range []string{"a", "b", "c"} {
		write("-", name, calm.lines[name], rough.lines[name])
		write("+", name, rough.lines[name], calm.lines[name])
	}
	return diff.String()
}

// without are the lines that others lack, each as often as it is missing.
func without(lines, others []string) []string {
	left := map[string]int{}
	for _, o := range others {
		left[o]++
	}
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		left[line]--
		return left[line] >= 0
	})
}
