//go:build race

package vocab

// slowdown widens time limits under the race detector.
const slowdown = 10
