package vocab

import (
	"cmp"
	"slices"
)

// discreetFlattrs is how many flattrs must stand behind any amount that can be
// read or computed from a line.
const discreetFlattrs = 3

// Discreet decides which amounts of a line's things may be told (protocol §8), and
// returns the things with the others taken away: an amount appears only for a thing
// of at least three flattrs, and only if the things without one total none or at
// least three, so that no single gift shows by subtraction. If they total one or
// two, the smallest told amount goes as well. A line of one or two flattrs can't
// hide anything: its own amount is the gift.
//
// The order is kept; the given things aren't changed.
func Discreet(things []LineThing) []LineThing {
	told := slices.Clone(things)
	var hidden int64
	for i, thing := range told {
		if thing.Flattrs < discreetFlattrs || thing.Amount == nil {
			told[i].Amount = nil
			hidden += thing.Flattrs
		}
	}
	if hidden == 0 || hidden >= discreetFlattrs {
		return told
	}
	if i := smallestTold(told); i >= 0 {
		told[i].Amount = nil // it has three flattrs by itself
	}
	return told
}

// smallestTold is the thing with the fewest flattrs among those with an amount, by
// object where they are equal; -1 if there is none.
func smallestTold(things []LineThing) int {
	found := -1
	for i, thing := range things {
		if thing.Amount == nil {
			continue
		}
		if found < 0 || cmp.Or(cmp.Compare(thing.Flattrs, things[found].Flattrs), compareThings(thing, things[found])) < 0 {
			found = i
		}
	}
	return found
}
