//go:build !failpoint

package main

import "testing"

// A program without failpoints says so, instead of living through every crash test.
func TestFailpointNeedsItsBuild(t *testing.T) {
	t.Parallel()
	if err := armFailpoint("settle.booked"); err == nil {
		t.Error("a failpoint was armed that this build doesn't have")
	}
	if err := armFailpoint(""); err != nil {
		t.Error(err)
	}
}
