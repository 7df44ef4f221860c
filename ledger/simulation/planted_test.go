//go:build planted

package simulation

import (
	"testing"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// TestPlanted: each planted bug is found by one of the first thousand seeds.
func TestPlanted(t *testing.T) {
	if len(pair.Bugs) < 12 {
		t.Fatalf("%d bugs", len(pair.Bugs))
	}
	for _, name := range pair.Bugs {
		pair.Plant(name)
		sum := Many(t.Context(), 0, 1000, 0, true)
		if len(sum.Failed) == 0 {
			t.Errorf("%s isn't found", name)
			continue
		}
		t.Logf("%-22s seed %d: %s", name, sum.Failed[0].Seed, sum.Failed[0].Violations[0])
	}
	pair.Plant("")
}
