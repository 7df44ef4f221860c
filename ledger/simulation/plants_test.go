//go:build !planted

package simulation

import (
	"os/exec"
	"testing"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// TestPlants shows what the simulation would find: it runs TestPlanted in a build that can plant bugs.
func TestPlants(t *testing.T) {
	t.Parallel()
	if pair.Plant("overpaid"); len(pair.Bugs) > 0 || pair.Planted("overpaid") {
		t.Error("this build can plant bugs")
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-tags", "planted", "-count", "1", "-run", "^TestPlanted$", "-v", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
