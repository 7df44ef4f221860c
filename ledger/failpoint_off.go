//go:build !failpoint

package ledger

// failpoint marks a step at which the crash tests kill the process; it is nothing in real builds.
func failpoint(string) {}
