//go:build race

package histories

// The same with the race detector, which makes each ten times as long.
const (
	suiteHistories = 12
	suiteRestores  = 4
)
