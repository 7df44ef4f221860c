//go:build failpoint

package ledger

import (
	"os"
	"sync/atomic"
	"syscall"
)

// Failpoint is called at every named step of a build with the tag "failpoint". The binary's crash
// tests set it; it may not return.
var Failpoint atomic.Pointer[func(name string)]

func failpoint(name string) {
	if f := Failpoint.Load(); f != nil {
		(*f)(name)
	}
}

// Kill ends the process as SIGKILL does: no deferred call, no flush, no goodbye.
func Kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
