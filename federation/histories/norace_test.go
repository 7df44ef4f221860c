//go:build !race

package histories

// How many seeds the suite plays in two weathers, and with a backup that is put back.
const (
	suiteHistories = 55
	suiteRestores  = 25
)
