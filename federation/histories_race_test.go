//go:build race

package federation_test

// suiteHistories is how many histories the suite plays; the race detector makes each ten times as long.
const suiteHistories = 15
