//go:build failpoint

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/fedflattr/flattrd/ledger"
)

// armFailpoint makes the process kill itself at the named step: at its first pass, or with "name:n" at
// the n-th. With "tell" it tells each pass, which is how a test learns what there is to kill it at.
func armFailpoint(spec string) error {
	switch spec {
	case "":
		return nil
	case "tell":
		tell := func(passed string) { fmt.Fprintln(os.Stderr, "failpoint", passed) }
		ledger.Failpoint.Store(&tell)
		return nil
	}
	name, nth, counted := strings.Cut(spec, ":")
	n := int64(1)
	if counted {
		var err error
		if n, err = strconv.ParseInt(nth, 10, 64); err != nil || n < 1 {
			return fmt.Errorf("FLATTRD_FAILPOINT: %q isn't name or name:n", spec)
		}
	}
	var passes atomic.Int64
	kill := func(passed string) {
		if passed == name && passes.Add(1) == n {
			ledger.Kill()
		}
	}
	ledger.Failpoint.Store(&kill)
	return nil
}
