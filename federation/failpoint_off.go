//go:build !failpoint

package federation

// failpoint marks a step at which the crash tests kill the process; it is nothing in real builds.
func failpoint(string) {}
