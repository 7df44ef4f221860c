//go:build race

package histories

// suiteHistories is how many histories the suite plays; the race detector makes each ten times as long.
const suiteHistories = 15
