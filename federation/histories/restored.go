package histories

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/pair"
)

// Pairs counts how pairs of instances ended.
type Pairs struct{ Agreed, Frozen, Held int64 }

// Restored plays the history of a seed in rough weather, in which an instance is put back to a backup that is up to
// three days old, and tells how the pairs ended. A pair that differs in silence fails t.
func Restored(t testing.TB, seed uint64) Pairs {
	t.Helper()
	weather := rough(seed)
	weather.Repeat, weather.Restores = 2, true
	s := setStage(t, newPlan(seed), weather)
	defer s.Close()
	s.playRestored(newPlan(seed))
	return s.agree()
}

// playRestored plays a plan with a backup and its restore.
func (s *stage) playRestored(p plan) {
	s.t.Helper()
	random := rand.New(rand.NewPCG(p.seed, 0x6261636b))
	who := s.Instances()[random.IntN(3)]
	begin := date(time.November, 20, 0)
	backup := begin.Add(time.Duration(random.Int64N(int64(p.steps[len(p.steps)-1].at.Sub(begin)))))
	restore := backup.Add(time.Hour + time.Duration(random.Int64N(int64(71*time.Hour))))
	var kept *federationtest.Backup
	var deposits []step
	for _, st := range p.steps {
		if kept == nil && st.at.After(backup) {
			s.Turn(backup)
			b := s.Backup(who)
			kept = &b
		}
		if st.at.After(restore) && kept != nil && kept.Of() == who && !s.restored {
			s.Turn(restore)
			s.restored = true
			s.Restore(*kept)
			s.importBank(deposits)
		}
		if st.op == "cut" || st.op == "heal" || st.op == "leave" { // outages are drawn by the weather here
			continue
		}
		if st.op == "deposit" && s.of(st.who) == who {
			deposits = append(deposits, st)
		}
		s.Turn(st.at)
		s.attempt(st)
	}
	s.settleDown()
}

// importBank records once more what the bank's journal has of members' deposits, as an operator does after a restore:
// what is known already is the same again.
func (s *stage) importBank(deposits []step) {
	s.t.Helper()
	for _, st := range deposits {
		if _, err := s.act(context.Background(), st); err != nil && !errors.Is(err, ledger.ErrConflict) && !errors.Is(err, ledger.ErrRefused) {
			s.t.Errorf("%s, again: %v", st, err)
		}
	}
}

// attempt does a step; after a restore it may no longer make sense.
func (s *stage) attempt(st step) {
	s.t.Helper()
	if st.op == "lull" {
		return
	}
	if i := s.of(st.who); s.restored && (st.op == "pay" || st.op == "withdraw") {
		_ = i.BankCompared(context.Background(), i.Op.ID) // refused where nothing was put back
	}
	_, err := s.act(context.Background(), st)
	for _, expected := range []error{nil, ledger.ErrRefused, ledger.ErrNotFound, ledger.ErrFunds, ledger.ErrConflict} {
		if errors.Is(err, expected) {
			s.Network.Sent(s.of(st.who))
			return
		}
	}
	s.t.Logf("%s: %v", st, err)
}

// settleDown lets a week pass with its daily statements, and everything arrive.
func (s *stage) settleDown() {
	s.t.Helper()
	at := s.Clock.Now()
	for range 8 {
		at = at.AddDate(0, 0, 1)
		s.Turn(at)
		s.Tick()
	}
	for range 3 {
		s.Tick()
		s.Calm()
		s.Turn(s.Clock.Now().AddDate(0, 0, 1))
	}
}

// agree holds each pair to the same records and balance, or to a freeze or hold that can be seen.
func (s *stage) agree() (pairs Pairs) {
	s.t.Helper()
	ctx, all := context.Background(), s.Instances()
	for i, a := range all {
		for _, b := range all[i+1:] {
			ofB, mine, err := a.Reading(ctx, b.Ledger.Instance().Host)
			ofA, theirs, err2 := b.Reading(ctx, a.Ledger.Instance().Host)
			switch {
			case errors.Is(err, ledger.ErrRefused) || errors.Is(err2, ledger.ErrRefused): // they never met
			case err != nil || err2 != nil:
				s.t.Errorf("%s and %s: %v, %v", a.Name, b.Name, err, err2)
			case ofB.FrozenAt != nil || ofA.FrozenAt != nil:
				pairs.Frozen++
				s.t.Logf("%s and %s: frozen: %q, %q", a.Name, b.Name, ofB.FrozenReason, ofA.FrozenReason)
			case ofB.HeldAt != nil || ofA.HeldAt != nil:
				pairs.Held++
				s.t.Logf("%s and %s: held: %v, %v", a.Name, b.Name, ofB.HeldAt, ofA.HeldAt)
			default:
				pairs.Agreed++
				if diff := differ(mine, theirs); diff != "" {
					s.t.Errorf("%s and %s differ in silence: %s\nundelivered: %s", a.Name, b.Name, diff, strings.Join(s.Network.Undelivered(), "\n"))
				}
			}
		}
	}
	return pairs
}

// differ says how two sides' readings of the same pair differ.
func differ(mine, theirs ledger.Reading) string {
	byID := func(all []pair.Record) []pair.Record {
		sorted := slices.Clone(all)
		for i := range sorted {
			sorted[i].Ours = false
		}
		slices.SortFunc(sorted, func(x, y pair.Record) int {
			if x.ID < y.ID {
				return -1
			}
			return 1
		})
		return sorted
	}
	if x, y := byID(mine.Records), byID(theirs.Records); !slices.Equal(x, y) {
		return fmt.Sprintf("records\n%v\n%v", x, y)
	}
	if mine.Receivable != theirs.Payable || mine.Payable != theirs.Receivable {
		return fmt.Sprintf("balances %d/%d and %d/%d", mine.Receivable, mine.Payable, theirs.Receivable, theirs.Payable)
	}
	return ""
}
