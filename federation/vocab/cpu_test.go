//go:build !linux

package vocab

import "time"

var testStart = time.Now()

// threadTime is the time of the clock on the wall, where the thread's own can't be had.
func threadTime() time.Duration { return time.Since(testStart) }
