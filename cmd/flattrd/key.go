package main

import (
	"context"
	"fmt"

	"github.com/fedflattr/flattrd/federation"
)

// keyCommand is about this instance's accounting key, which makes all that it says about money valid.
type keyCommand struct {
	List             keyListCommand   `cmd:"" help:"List this instance's accounting keys with their fingerprints, the current one first."`
	RotateAccounting keyRotateCommand `cmd:"" help:"Make a new accounting key, which the old one signs for."`
}

type keyListCommand struct {
	Name string `name:"database" placeholder:"NAME" help:"Database on the server, such as localserve's flattrd_a_8480."`
}

// Run prints since when each signs, or signed until when, its fingerprint and its id.
func (c keyListCommand) Run(ctx context.Context, d *Database) error {
	b, err := openBooks(ctx, d, c.Name, nil)
	if err != nil {
		return err
	}
	defer b.stop()
	return printKeys(ctx, b)
}

func printKeys(ctx context.Context, b *books) error {
	keys, err := federation.OwnAccountingKeys(ctx, b.pool, b.Ledger)
	for _, k := range keys {
		until := "signs"
		if k.Retired != nil {
			until = "until " + k.Retired.UTC().Format("2006-01-02 15:04")
		}
		fmt.Printf("%s  from %s  %-22s  %s  %s\n", k.Fingerprint, k.Made.UTC().Format("2006-01-02 15:04"), until, k.Multikey, k.ID)
	}
	return err
}

type keyRotateCommand struct {
	Name string `name:"database" placeholder:"NAME" help:"Database on the server, such as localserve's flattrd_a_8480."`
}

// Run rotates the key; the server may run beside it.
func (c keyRotateCommand) Run(ctx context.Context, d *Database) error {
	b, err := openBooks(ctx, d, c.Name, nil)
	if err != nil {
		return err
	}
	defer b.stop()
	if err := federation.RotateAccountingKey(ctx, b.pool, b.Ledger); err != nil {
		return err
	}
	if err := printKeys(ctx, b); err != nil {
		return err
	}
	fmt.Println("Make a backup now: one from before holds only the old key, which peers no longer take.")
	return nil
}
