package simulation

import "testing"

func TestFew(t *testing.T) {
	total := Result{}
	bad := 0
	for seed := range uint64(200) {
		r := Run(seed, 0, nil)
		total.Events += r.Events
		total.Claims += r.Claims
		total.Payments += r.Payments
		total.Restores += r.Restores
		total.Lies += r.Lies
		total.Frozen += r.Frozen
		if len(r.Violations) > 0 {
			bad++
			if bad < 20 {
				t.Errorf("seed %d: %v", r.Seed, r.Violations[0])
			}
		}
	}
	t.Logf("%d bad: %+v", bad, total)
}
