//go:build failpoint

package ledger

import (
	"os"
	"sync/atomic"
	"syscall"
)

// Failpoint is called at every named step, of this package and of federation, in a build with the tag
// "failpoint": cmd sets it for the crash tests.
var Failpoint atomic.Pointer[func(name string)]

func failpoint(name string) {
	if f := Failpoint.Load(); f != nil {
		(*f)(name)
	}
}

// Kill ends the process by SIGKILL: no deferred call, no flush, no goodbye.
func Kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
