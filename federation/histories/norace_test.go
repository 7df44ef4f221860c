//go:build !race

package histories

// How many seeds the suite plays in two weathers, and with a backup that is put back: a hundred in all.
const (
	suiteHistories = 70
	suiteRestores  = 30
)
