//go:build linux

package main

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// killing is a moment to kill a process at: the n-th pass of a failpoint by one of the instances, from a stage on.
type killing struct {
	name     string // failpoint
	stage, k int
	nth      int
}

func (k killing) armed() string {
	if k.nth == 1 {
		return k.name
	}
	return fmt.Sprintf("%s:%d", k.name, k.nth)
}

// tally counts the kills by failpoint, and by moment.
type tally struct {
	mu      sync.Mutex
	kills   map[string]int
	moments map[killing]int
	missed  []killing
}

const longestWayBack = 10 * time.Second

// crashOften kills at every failpoint so many times: once in each of so many months, which differ by their seeds, and in
// each at another pass or in another instance, as far as there are several.
func crashOften(t *testing.T, times int) {
	all := &tally{kills: map[string]int{}, moments: map[killing]int{}}
	var slowest time.Duration
	binary := ""
	for seed := 1; seed <= times; seed++ {
		rig := newCrashRig(t, uint64(seed), binary)
		binary = rig.binary
		all.missed = nil
		rig.runAll(t, rig.pack(all.choose(rig)), all.judge)
		rig.runAll(t, rig.pack(all.earlier()), all.judge)
		rig.dropAll(t.Context())
		slowest = max(slowest, time.Duration(rig.slowest.Load()))
	}
	sum := 0
	for _, name := range slices.Sorted(maps.Keys(all.kills)) {
		t.Logf("%3d kills at %s", all.kills[name], name)
		sum += all.kills[name]
		if all.kills[name] < times {
			t.Errorf("%d kills at %s, not %d", all.kills[name], name, times)
		}
	}
	t.Logf("%d kills at %d failpoints, at %d different moments; longest way back %v", sum, len(all.kills), len(all.moments), slowest)
	if slowest > longestWayBack {
		t.Errorf("a process took %v to answer again", slowest)
	}
}

// choose picks a moment for each failpoint: of those that the undisturbed run passed, one that was chosen least often.
func (a *tally) choose(r *crashRig) (chosen []killing) {
	rng := rand.New(rand.NewPCG(r.seed, 1))
	moments := map[string][]killing{}
	for _, name := range failpointNames() {
		moments[name] = nil
		a.kills[name] += 0
	}
	for stage, all := range r.passes {
		for k, passes := range all {
			for name, n := range passes {
				for nth := range max(1, n*2/3) { // what is disturbed may have less to do
					moments[name] = append(moments[name], killing{name, stage, k, nth + 1})
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(moments)) {
		if len(moments[name]) == 0 {
			a.missed = append(a.missed, killing{name: name, nth: 1})
			continue
		}
		rng.Shuffle(len(moments[name]), func(i, j int) { moments[name][i], moments[name][j] = moments[name][j], moments[name][i] })
		chosen = append(chosen, slices.MinFunc(moments[name], func(x, y killing) int { return cmp.Compare(a.moments[x], a.moments[y]) }))
	}
	return chosen
}

// failpointNames are those of the table, which has all that are in the code.
func failpointNames() (all []string) {
	for _, c := range crashes {
		for _, armed := range c.armed {
			name, _, _ := strings.Cut(armed, ":")
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// earlier are the kills that didn't come, because the process passed there less often than undisturbed, at its first pass.
func (a *tally) earlier() (again []killing) {
	for _, k := range a.missed {
		k.nth = 1
		again = append(again, k)
	}
	a.missed = nil
	return again
}

// pack puts the kills into runs, three into each if they are of different instances.
func (r *crashRig) pack(all []killing) (plan []crash) {
	for _, k := range all {
		from := crashStages[k.stage].name
		free := slices.IndexFunc(plan, func(c crash) bool { return c.from == from && c.armed[k.k] == "" })
		if free < 0 {
			free, plan = len(plan), append(plan, crash{from: from})
		}
		plan[free].armed[k.k] = k.armed()
	}
	return plan
}

// judge counts a run's kills.
func (a *tally) judge(t *testing.T, c crash, deaths [3]int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stage := slices.IndexFunc(crashStages, func(s crashStage) bool { return s.name == c.from })
	for k, armed := range c.armed {
		if armed == "" {
			continue
		}
		name, nth, _ := strings.Cut(armed, ":")
		kill := killing{name, stage, k, 1}
		_, _ = fmt.Sscan(nth, &kill.nth)
		if deaths[k] == 0 {
			t.Logf("%s didn't come to %s", worldInstances[k].letter, armed)
			a.missed = append(a.missed, kill)
			continue
		}
		a.kills[name]++
		a.moments[kill]++
		t.Logf("kill %d at %s: %s, stage %s, pass %d", a.kills[name], name, worldInstances[k].letter, c.from, kill.nth)
	}
}
