//go:build !planted

package pair

// Bugs are what a build with the tag "planted" can plant; this one has none.
var Bugs []string

// Plant does nothing: this build has no bugs to plant.
func Plant(string) {}

// Planted tells callers of this package whether a bug of theirs is planted; this build has none.
func Planted(string) bool { return false }

// planted is where a bug can be planted: see plant_on.go.
func planted(string) bool { return false }
