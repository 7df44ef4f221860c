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

// killing is a moment to kill a process at: the n-th pass of a failpoint by one of the instances since it was started,
// in a stage or later.
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
		all.runPacked(t, rig, all.choose(rig))
		all.runPacked(t, rig, all.earlier())
		all.runPacked(t, rig, all.earlier())
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
		for _, armed := range strings.Fields(strings.Join(c.armed[:], " ")) {
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

// pack puts the kills into runs: of each instance one in each stage.
func (r *crashRig) pack(all []killing) (plan []packed) {
	for _, k := range all {
		free := slices.IndexFunc(plan, func(p packed) bool { return p[k.k][k.stage] == nil })
		if free < 0 {
			free, plan = len(plan), append(plan, packed{})
		}
		plan[free][k.k][k.stage] = &k
	}
	return plan
}

// packed are the kills of a run, by instance and stage.
type packed [3][3]*killing

// chains are each instance's, in order.
func (p packed) chains() (all [3][]killing) {
	for k, stages := range p {
		for _, kill := range stages {
			if kill != nil {
				all[k] = append(all[k], *kill)
			}
		}
	}
	return all
}

// crash is the run: from the first stage in which something is killed.
func (p packed) crash() crash {
	c, first := crash{}, len(crashStages)-1
	for k, chain := range p.chains() {
		var armed []string
		for _, kill := range chain {
			armed, first = append(armed, kill.armed()), min(first, kill.stage)
		}
		c.armed[k] = strings.Join(armed, " ")
	}
	c.from = crashStages[first].name
	return c
}

// runPacked runs the kills and counts them.
func (a *tally) runPacked(t *testing.T, r *crashRig, kills []killing) {
	var plan []crash
	chains := map[crash][3][]killing{}
	for _, p := range r.pack(kills) {
		plan = append(plan, p.crash())
		chains[p.crash()] = p.chains()
	}
	r.runAll(t, plan, func(t *testing.T, c crash, deaths [3]int32) { a.judge(t, chains[c], deaths) })
}

// judge counts a run's kills.
func (a *tally) judge(t *testing.T, chains [3][]killing, deaths [3]int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, chain := range chains {
		for n, kill := range chain {
			if n >= int(deaths[k]) {
				t.Logf("%s didn't come to %s", worldInstances[k].letter, kill.armed())
				a.missed = append(a.missed, kill)
				continue
			}
			a.kills[kill.name]++
			a.moments[kill]++
			t.Logf("kill %d at %s: %s, stage %s, pass %d", a.kills[kill.name], kill.name, worldInstances[k].letter,
				crashStages[kill.stage].name, kill.nth)
		}
	}
}
