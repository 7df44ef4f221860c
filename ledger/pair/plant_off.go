//go:build !planted

package pair

// Bugs are what a build with the tag "planted" can plant; this one has none.
var Bugs []string

// Plant does nothing: this build has no bugs to plant.
func Plant(string) {}

// planted is where a bug can be planted: see plant_on.go.
func planted(string) bool { return false }
