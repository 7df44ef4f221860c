package main

import (
	"bytes"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf is the processor time that a process has used.
func cpuOf(t *testing.T, p *os.Process) time.Duration {
	t.Helper()
	const scheduled = 2 // CPUCLOCK_SCHED: another process's clock (clock_getcpuclockid(3))
	var spec unix.Timespec
	if err := unix.ClockGettime(int32(^p.Pid)<<3|scheduled, &spec); err != nil {
		t.Fatal(err)
	}
	return time.Duration(spec.Nano())
}

// memoryOf is what a process has in memory now beside the pages of its own file, in bytes.
func memoryOf(t *testing.T, p *os.Process) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.Pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("RssAnon:"))
	kilobytes, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
