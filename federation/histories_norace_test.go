//go:build !race

package federation_test

// suiteHistories is how many histories the suite plays.
const suiteHistories = 100
