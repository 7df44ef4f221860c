//go:build race

package guard

// slowdown widens limits of time and memory under the race detector.
const slowdown = 5
