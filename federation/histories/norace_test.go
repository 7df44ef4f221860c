//go:build !race

package histories

// suiteHistories is how many histories the suite plays.
const suiteHistories = 100
