package histories

import (
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

var restores = flag.Int("restores", suiteRestores, "how many seeded histories TestRestores plays")

// TestRestores plays seeded histories in which an instance is put back to a backup that is up to three days old,
// at a moment that is drawn, in rough weather. When everything is quiet again, each pair of instances has the same
// documents on record and owes each other the same, or one of them visibly holds or has frozen the other: never
// do they differ in silence. The books of all are in order. 200 of them:
//
//	go test ./federation/histories -run TestRestores -restores 200 -timeout 1h
func TestRestores(t *testing.T) {
	var agreed, frozen, held atomic.Int64
	t.Cleanup(func() {
		t.Logf("pairs: %d agree, %d are frozen, %d held", agreed.Load(), frozen.Load(), held.Load())
		if agreed.Load() < 2*(frozen.Load()+held.Load()) {
			t.Error("agreement should be the rule")
		}
	})
	for n := range *restores {
		seed := *firstSeed + uint64(n)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			if end, limited := t.Deadline(); limited && time.Until(end) < historyTime {
				return
			}
			pairs := Restored(t, seed)
			agreed.Add(pairs.Agreed)
			frozen.Add(pairs.Frozen)
			held.Add(pairs.Held)
		})
	}
}
