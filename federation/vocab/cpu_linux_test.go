package vocab

import (
	"syscall"
	"time"
)

// threadTime is the processor time of this thread so far (getrusage(2), RUSAGE_THREAD).
func threadTime() time.Duration {
	const thisThread = 1
	var usage syscall.Rusage
	if err := syscall.Getrusage(thisThread, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
