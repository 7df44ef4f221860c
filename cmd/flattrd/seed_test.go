package main

import (
	"context"
	"testing"
)

// TestSeededPeers: the instances of localserve know each other and pay from one cent on, and what an
// operator has set since outlives the next start.
func TestSeededPeers(t *testing.T) {
	t.Parallel()
	w, _ := localWorld(t)
	ctx := context.Background()
	a := w.instances[0].ledger
	alice, err := a.MemberByName(ctx, seedPeople[0].name)
	if err == nil {
		err = a.SetThreshold(ctx, alice.ID, worldHost("b", w.port), 5_000_000)
	}
	if err == nil {
		_, err = w.seed(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	for k, i := range w.instances {
		all, err := i.ledger.PeerPositions(ctx)
		if err != nil || len(all) != 2 {
			t.Fatalf("%s knows %v, %v", worldInstances[k].letter, all, err)
		}
		for _, p := range all {
			want := int64(10_000)
			if k == 0 && p.Host == worldHost("b", w.port) {
				want = 5_000_000
			}
			if p.Threshold != want {
				t.Errorf("%s pays %s from %d on, want %d", worldInstances[k].letter, p.Host, p.Threshold, want)
			}
		}
	}
}
