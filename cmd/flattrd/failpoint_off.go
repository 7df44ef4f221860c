//go:build !failpoint

package main

import "errors"

// armFailpoint refuses: this program has no failpoints, and a test that believes in them would pass
// for nothing.
func armFailpoint(spec string) error {
	if spec != "" {
		return errors.New("FLATTRD_FAILPOINT: this program was built without the tag failpoint")
	}
	return nil
}
