package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/fedflattr/flattrd/migrations"
	"github.com/fedflattr/flattrd/migrations/privatepg"
)

// backupCommand writes the whole database to a file, by PostgreSQL's own pg_dump: one snapshot, while the
// instance goes on.
type backupCommand struct {
	Name string `name:"database" placeholder:"NAME" help:"Database on the server, such as localserve's flattrd_a_8480."`
	File string `arg:"" type:"path" help:"Where to; it holds the instance's private keys, so only you can read it."`
}

// Run writes beside the file and then renames: a backup that was there isn't lost to one that fails.
func (c backupCommand) Run(ctx context.Context, d *Database) error {
	server, err := d.join(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	name := cmp.Or(c.Name, d.single())
	if err := server.there(ctx, name); err != nil {
		return err
	}
	partial, err := os.CreateTemp(filepath.Dir(c.File), filepath.Base(c.File)+".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(partial.Name())
	defer partial.Close()
	if err := server.tool(ctx, name, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file="+partial.Name()); err != nil {
		return err
	}
	if err := errors.Join(partial.Sync(), os.Rename(partial.Name(), c.File)); err != nil {
		return err
	}
	fmt.Printf("The database is in %s.\n", c.File)
	return nil
}

// restoreCommand makes a database from such a file and checks its books.
type restoreCommand struct {
	Name string `name:"database" placeholder:"NAME" help:"Database to make on the server; without it, that of serve, which must be empty."`
	File string `arg:"" type:"existingfile" help:"What backup wrote."`
}

// Run restores all or nothing. A database that holds anything isn't touched.
func (c restoreCommand) Run(ctx context.Context, d *Database) error {
	server, err := d.join(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	name := cmp.Or(c.Name, d.single())
	if name != "" {
		if err := migrations.CreateDatabase(ctx, server.admin, name); err != nil {
			return err
		}
	}
	if err := server.empty(ctx, name); err != nil {
		return err
	}
	if err := server.tool(ctx, name, "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", c.File); err != nil {
		return err
	}
	return c.judge(ctx, d, name)
}

// judge tells what the restored books say of themselves.
func (c restoreCommand) judge(ctx context.Context, d *Database, name string) error {
	b, err := openBooks(ctx, d, name, nil)
	if err != nil {
		return err
	}
	defer b.stop()
	if err := b.judge(ctx, false); err != nil {
		return fmt.Errorf("what was restored: %w", err)
	}
	if err := b.Restored(ctx); err != nil {
		return err
	}
	fmt.Printf("Restored the books of %s; every invariant holds.\n", b.Instance().Host)
	return nil
}

// empty refuses a database in which there is any table.
func (c *cluster) empty(ctx context.Context, name string) error {
	conn, err := c.read(ctx, name)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var tables int
	if err := conn.QueryRow(ctx, `
		select count(*) from pg_catalog.pg_tables where schemaname not in ('pg_catalog', 'information_schema')`).Scan(&tables); err != nil {
		return err
	}
	if tables > 0 {
		return fmt.Errorf("the database isn't empty (%d tables): restore into another one (--database)", tables)
	}
	return nil
}

// tool runs one of PostgreSQL's programs on a database. The password goes by the environment, where other users of the
// machine don't see it.
func (c *cluster) tool(ctx context.Context, database, program string, args ...string) error {
	dsn := c.admin
	if database != "" {
		var err error
		if dsn, err = migrations.DatabaseDSN(c.admin, database); err != nil {
			return err
		}
	}
	path, err := findTool(program)
	if err != nil {
		return err
	}
	env := os.Environ()
	if u, err := url.Parse(dsn); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			u.User, env = url.User(u.User.Username()), append(env, "PGPASSWORD="+password)
			dsn = u.String()
		}
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"--dbname=" + dsn}, args...)...)
	cmd.Env = env
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(said)))
	}
	return nil
}

func findTool(program string) (string, error) {
	for _, dir := range privatepg.SearchDirs() {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%s isn't installed: it comes with PostgreSQL", program)
	}
	return path, nil
}
