package simulation

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// TestSeeds: in no world is a rule broken. More of them: flattrd simulate --seeds 100000.
func TestSeeds(t *testing.T) {
	t.Parallel()
	seeds := 2000
	if testing.Short() {
		seeds = 200
	}
	sum := Many(t.Context(), 0, seeds, 0, false)
	for _, r := range sum.Failed {
		t.Errorf("seed %d: %s (again: flattrd simulate --seed %d --trace)", r.Seed, r.Violations[0], r.Seed)
	}
	if sum.Seeds != seeds || sum.Claims < 10*seeds || sum.Payments < 10*seeds || sum.Restores < seeds/2 || sum.Lies < seeds {
		t.Errorf("too little happens: %+v", sum)
	}
	if sum.Frozen > sum.Restores/10 {
		t.Errorf("%d restores froze %d pairs of honest hosts", sum.Restores, sum.Frozen)
	}
}

// TestSameSeedSameTrace: a seed is the same run every time, whoever reads along.
func TestSameSeedSameTrace(t *testing.T) {
	t.Parallel()
	hashes := map[uint64]bool{}
	for seed := range uint64(20) {
		var once, again bytes.Buffer
		silent, first, second := Run(seed, 0, nil), Run(seed, 0, &once), Run(seed, 0, &again)
		if !reflect.DeepEqual(silent, first) || !reflect.DeepEqual(first, second) || once.String() != again.String() {
			t.Fatalf("seed %d: %+v, %+v, %+v", seed, silent, first, second)
		}
		if once.Len() == 0 || hashes[silent.Hash] {
			t.Fatalf("seed %d: %d bytes of trace, hash %x", seed, once.Len(), silent.Hash)
		}
		hashes[silent.Hash] = true
	}
}

// TestHosts: a world has as many hosts as are asked for.
func TestHosts(t *testing.T) {
	t.Parallel()
	for hosts := 2; hosts <= 5; hosts++ {
		var trace bytes.Buffer
		r := Run(7, hosts, &trace)
		last, beyond := hostName(hosts-1)+" starts", strings.Repeat(".", hosts)
		if hosts < 5 {
			beyond = hostName(hosts) + " starts"
		}
		if len(r.Violations) > 0 || !strings.Contains(trace.String(), last) || strings.Contains(trace.String(), beyond) {
			t.Errorf("%d hosts: %v", hosts, r.Violations)
		}
	}
}

func BenchmarkSeeds(b *testing.B) {
	for seed := range uint64(b.N) {
		Run(seed, 0, nil)
	}
}
