//go:build !race

package guard

// slowdown widens limits of time and memory under the race detector; without it there is none.
const slowdown = 1
