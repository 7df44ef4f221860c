//go:build linux

package main

import ("testing";"time";"context";"syscall")

func TestCrashTrace(t *testing.T) {
	t0 := time.Now()
	rig := newCrashRig(t)
	t.Log("rig", time.Since(t0))
	for range 2 {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l := rig.lane(0)
	t0 = time.Now()
	lap := func(what string) { t.Log(what, time.Since(t0)); t0 = time.Now() }
	if err := l.begin(ctx, rig.snapshots["close"], ""); err != nil { t.Fatal(err) }
	lap("begin")
	for _, s := range crashStages {
		if err := s.play(l); err != nil { t.Fatal(err) }
		lap(s.name)
	}
	if _, err := l.outcome(ctx); err != nil { t.Fatal(err) }
	lap("outcome")
	l.end(syscall.SIGKILL)
	lap("end")
	}
}
