//go:build !linux

package signature_test

import (
	"testing"
	"time"
)

// cpu is the wall clock where a thread's own time can't be had.
func cpu(t *testing.T, f func()) time.Duration {
	t.Helper()
	start := time.Now()
	f()
	return time.Since(start)
}
