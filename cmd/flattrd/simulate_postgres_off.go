//go:build !simulation

package main

import (
	"context"
	"errors"
)

// postgres needs what tests are made of, which the program that people run is built without.
func (c simulateCommand) postgres(context.Context) error {
	return errors.New("--postgres is in another build: go run -tags simulation ./cmd/flattrd simulate --postgres")
}
