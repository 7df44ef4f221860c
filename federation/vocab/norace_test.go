//go:build !race

package vocab

// slowdown widens time limits under the race detector; without it there is none.
const slowdown = 1
