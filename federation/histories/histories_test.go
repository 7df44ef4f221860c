package histories

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/federationtest"
)

var (
	histories = flag.Int("histories", suiteHistories, "how many seeded histories TestHistories plays")
	firstSeed = flag.Uint64("seed", 1, "the seed of the first history")
)

// historyTime is what must be left for a history to begin, and for the tests that come after it to end.
const historyTime = 90 * time.Second

// TestHistories plays each seeded history twice, once in calm and once in rough weather: the three
// ledgers must come out the same, line by line (protocol §10.5). A thousand of them:
//
//	go test ./federation/histories -run TestHistories -histories 1000 -timeout 1h
//
// and one again, as the failure names it:
//
//	go test ./federation/histories -run TestHistories -histories 1 -seed N
//
// On a machine so slow that go test would end the whole package, those that haven't begun by then are left out; the
// log tells how many were played, and fewer than half is a failure.
func TestHistories(t *testing.T) {
	var played atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d of %d histories", played.Load(), *histories)
		if int(played.Load()) < *histories/2 {
			t.Error("that is too few: give the test more time (-timeout)")
		}
	})
	for n := range *histories {
		seed := *firstSeed + uint64(n)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			if end, limited := t.Deadline(); limited && time.Until(end) < historyTime {
				return
			}
			played.Add(1)
			p := newPlan(seed)
			calm := tell(t, p, federationtest.Weather{})
			again := tell(t, p, rough(seed))
			if diff := compare(calm, again); diff != "" {
				t.Errorf("seed %d: the ledger depends on the weather (- calm, + rough):\n%s", seed, diff)
			}
			t.Logf("%d steps, %d messages in calm weather; rough: %+v", len(p.steps), calm.tally.Told, again.tally)
		})
	}
}

// TestHistoriesNotice plants faults and demands that a history tells: a receiver that doesn't know again
// what it has had, and a sender that takes a lost message for delivered.
func TestHistoriesNotice(t *testing.T) {
	for name, plant := range map[string]func(*federationtest.Weather){
		"no deduplication": func(w *federationtest.Weather) { w.Amnesia = true },
		"no retry":         func(w *federationtest.Weather) { w.Forget = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); ; seed++ {
				w := rough(seed)
				plant(&w)
				p, noticed := newPlan(seed), &witness{TB: t}
				diff := compare(tell(noticed, p, federationtest.Weather{}), tell(noticed, p, w))
				switch {
				case diff != "" || noticed.said != "":
					t.Logf("seed %d: %d lines differ; %.300s", seed, strings.Count(diff, "\n"), noticed.said)
					return
				case seed == 10:
					t.Fatal("ten histories, and none of them noticed")
				}
			}
		})
	}
}

// witness writes down what a history complains of.
type witness struct {
	testing.TB
	mu   sync.Mutex
	said string
}

func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said += fmt.Sprintf(format, args...) + "\n"
}
