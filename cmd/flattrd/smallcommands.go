package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/web"
)

// migrateCommand brings the database to this program's schema.
type migrateCommand struct{}

// Run migrates and says so.
func (migrateCommand) Run(ctx context.Context, d *Database) error {
	c, err := d.join(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	pool, err := c.pool(ctx, d.single())
	if err != nil {
		return err
	}
	pool.Close()
	fmt.Println("The database has this program's schema.")
	return nil
}

// books are a ledger opened for one command.
type books struct {
	*ledger.Ledger
	pool *pgxpool.Pool
	stop func()
}

// openBooks opens the books of the instance in a database: the single one of serve, or, with a name,
// one of localserve's.
func openBooks(ctx context.Context, d *Database, name string, now func() time.Time) (*books, error) {
	c, err := d.join(ctx)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = d.single()
	}
	pool, err := c.existing(ctx, name)
	if err != nil {
		c.stop()
		return nil, err
	}
	stop := func() { pool.Close(); c.stop() }
	outbox, err := federation.NewOutbox(pool, slog.Default())
	if err != nil {
		stop()
		return nil, err
	}
	l, err := ledger.Open(ctx, ledger.Options{Pool: pool, Now: now, Outbox: outbox})
	if errors.Is(err, ledger.ErrNotFound) {
		err = errors.New("this database holds no instance yet: run serve once")
	}
	if err != nil {
		stop()
		return nil, err
	}
	return &books{l, pool, stop}, nil
}

// checkCommand runs every invariant that one instance can see.
type checkCommand struct {
	Name string `name:"database" placeholder:"NAME" help:"Database on the server, such as localserve's flattrd_a_8480."`
	Hash bool   `help:"Also print a hash over business keys, amounts and states."`
}

// Run prints each violation with its row; the exit status tells whether there was one.
func (c checkCommand) Run(ctx context.Context, d *Database) error {
	b, err := openBooks(ctx, d, c.Name, nil)
	if err != nil {
		return err
	}
	defer b.stop()
	if err := b.judge(ctx, c.Hash); err != nil {
		return err
	}
	if !c.Hash {
		fmt.Println("ok")
	}
	return nil
}

// judge prints each violation, and then the hash if that is asked for. The error tells how many there are.
func (b *books) judge(ctx context.Context, hash bool) error {
	found, err := b.Check(ctx)
	if err != nil {
		return err
	}
	for _, v := range found {
		fmt.Println(v)
	}
	if hash {
		hash, err := b.Hash(ctx)
		if err != nil {
			return err
		}
		fmt.Println(hash)
	}
	switch len(found) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%w: 1 row", ledger.ErrInvariant)
	}
	return fmt.Errorf("%w: %d rows", ledger.ErrInvariant, len(found))
}

// adminCommand groups what an operator does on the machine.
type adminCommand struct {
	Operator operatorCommand `cmd:"" help:"Make a member who runs the instance. The password is read from standard input."`
	Password passwordCommand `cmd:"" help:"Give a member a new password, read from standard input, and end their sessions."`
}

type passwordCommand struct {
	Member string `arg:"" help:"Name of the member."`
}

// Run reads a password and sets it.
func (c passwordCommand) Run(ctx context.Context, d *Database) error {
	b, err := openBooks(ctx, d, "", nil)
	if err != nil {
		return err
	}
	defer b.stop()
	hash, err := readPassword()
	if err != nil {
		return err
	}
	if err := b.SetPassword(ctx, c.Member, hash); err != nil {
		return fmt.Errorf("%q: %w", c.Member, err)
	}
	fmt.Printf("%s has a new password now, and is logged out everywhere.\n", c.Member)
	return nil
}

type operatorCommand struct {
	Member   string `arg:"" help:"Name: a-z, 0-9 and _, at most 30."`
	Language string `default:"en" enum:"de,en" help:"Language of the pages: de or en."`
}

// Run reads a password and creates the operator.
func (c operatorCommand) Run(ctx context.Context, d *Database) error {
	b, err := openBooks(ctx, d, "", nil)
	if err != nil {
		return err
	}
	defer b.stop()
	hash, err := readPassword()
	if err != nil {
		return err
	}
	m, err := b.CreateOperator(ctx, ledger.Joining{Name: c.Member, PasswordHash: hash, Language: c.Language})
	if err != nil {
		return fmt.Errorf("%q: %w", c.Member, err)
	}
	fmt.Printf("%s/@%s runs this instance now.\n", b.Instance().BaseURL, m.Name)
	return nil
}

// readPassword reads a line and returns its argon2id string. Spaces are part of it.
func readPassword() (string, error) {
	fmt.Fprint(os.Stderr, "Password (at least 10 characters): ")
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	hash, err := web.HashPassword(strings.TrimRight(line, "\r\n"))
	if wrong := new(ledger.FieldError); errors.As(err, &wrong) {
		return "", fmt.Errorf("password: %s; one line of at least 10 characters on standard input", wrong.Rule)
	}
	return hash, err
}
