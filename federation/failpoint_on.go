//go:build failpoint

package federation

import "github.com/fedflattr/flattrd/ledger"

func failpoint(name string) {
	if f := ledger.Failpoint.Load(); f != nil {
		(*f)(name)
	}
}
