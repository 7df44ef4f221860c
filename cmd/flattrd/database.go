package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/migrations"
	"github.com/fedflattr/flattrd/migrations/privatepg"
)

// Database says where the books are: a given server, or a private PostgreSQL in the data directory.
type Database struct {
	DatabaseURL string `name:"database-url" env:"FLATTRD_DATABASE_URL" help:"PostgreSQL 15 or newer to use. Without it a private one runs in the data directory."`
	Data        string `env:"FLATTRD_DATA" type:"path" help:"Data directory. Default: flattrd in the XDG data home."`

	passing bool // the data is gone with the process, so nothing waits for a disk
}

// dir is the data directory: FLATTRD_DATA, else the XDG data home.
func (d *Database) dir() (string, error) {
	if d.Data != "" {
		return d.Data, nil
	}
	if home := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, "flattrd"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no data directory: set FLATTRD_DATA (%w)", err)
	}
	return filepath.Join(home, ".local", "share", "flattrd"), nil
}

// cluster is a PostgreSQL server that databases are opened on.
type cluster struct {
	admin string // DSN
	stop  func()
	done  <-chan struct{} // closed when a private server ended
}

// watch cancels a context when a private server ends under it; a given server may come back.
func (c *cluster) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	if c.done == nil {
		return
	}
	go func() {
		select {
		case <-c.done:
			cancel(errDatabaseEnded)
		case <-ctx.Done():
		}
	}()
}

var errDatabaseEnded = errors.New("the private database has ended")

// blame finds the cause of a failure that came first: when a server ends, its clients notice a moment
// before its parent does.
func (c *cluster) blame(err error) error {
	if err == nil || c.done == nil || errors.Is(err, context.Canceled) {
		return err
	}
	select {
	case <-c.done:
		return errDatabaseEnded
	case <-time.After(time.Second):
		return err
	}
}

// open connects to the given server, or starts the private one. A second process on the same data
// directory is refused by name.
func (d *Database) open(ctx context.Context) (*cluster, error) {
	if d.DatabaseURL != "" {
		return &cluster{admin: d.DatabaseURL, stop: func() {}}, nil
	}
	dir, err := d.dir()
	if err != nil {
		return nil, err
	}
	config := privatepg.Config{Dir: filepath.Join(dir, "postgres"), Logger: slog.Default()}
	if d.passing {
		config.Settings = map[string]string{"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
	}
	server, err := privatepg.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	stop := func() {
		if err := server.Stop(context.WithoutCancel(ctx)); err != nil {
			slog.Error("database.stop", "code", "database.stop", "error", err)
		}
	}
	return &cluster{admin: server.DSN("postgres"), stop: stop, done: server.Done()}, nil
}

// join reaches the cluster that another process runs in the data directory, or runs it for the time
// of a command.
func (d *Database) join(ctx context.Context) (*cluster, error) {
	if d.DatabaseURL != "" {
		return d.open(ctx)
	}
	c, err := d.open(ctx)
	inUse := new(privatepg.InUseError)
	if !errors.As(err, &inUse) {
		return c, err
	}
	at, noAddress := privatepg.AddressOf(inUse.Dir)
	if noAddress != nil {
		return nil, err // it is starting or ending
	}
	return &cluster{admin: at.DSN("postgres"), stop: func() {}}, nil
}

// existing opens a database that is there already: a command that looks makes none for a mistyped name.
func (c *cluster) existing(ctx context.Context, name string) (*pgxpool.Pool, error) {
	if err := c.there(ctx, name); err != nil {
		return nil, err
	}
	return c.pool(ctx, name)
}

// there tells whether a database is there; no name stands for the given one.
func (c *cluster) there(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	conn, err := pgx.Connect(ctx, c.admin)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `
		select datname from pg_catalog.pg_database where datname like 'flattrd%' or datname = $1 order by datname`, name)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	switch {
	case err != nil:
		return err
	case slices.Contains(all, name):
		return nil
	case len(all) == 0:
		return fmt.Errorf("no database %s here: run serve or localserve once", name)
	}
	return fmt.Errorf("no database %s here; there are %s (--database)", name, strings.Join(all, ", "))
}

// read connects to a database that is there already, as it is: nothing is migrated.
func (c *cluster) read(ctx context.Context, name string) (*pgx.Conn, error) {
	if err := c.there(ctx, name); err != nil {
		return nil, err
	}
	dsn := c.admin
	if name != "" {
		var err error
		if dsn, err = migrations.DatabaseDSN(c.admin, name); err != nil {
			return nil, err
		}
	}
	return pgx.Connect(ctx, dsn)
}

// connections is the most that an instance opens, unless its address says so itself (pool_max_conns): messages of one
// peer wait for each other, and each holds one meanwhile.
const connections = 24

// What a transaction of the pool waits for at most, and how long one may be idle: if a transaction hangs, its locks would
// hold up all others for ever. Requests are answered within a minute. A settlement's publication is idle while other sessions
// index and check what it publishes, so it isn't taken for one that hangs. Those sessions, and migrations, have no bound.
const bounds = `set lock_timeout = '50s'; set idle_in_transaction_session_timeout = '10min'`

// durable has commits wait for the disk where a server, database or role is set not to: what we say is done must be there
// after the server was killed. Whoever doesn't want to wait says so with fsync, or waits for a standby as well.
const durable = `
	select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`

func bounded(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, bounds+`;`+durable)
	return err
}

// pool opens a database, creating it if it doesn't exist and name isn't empty, and migrates it.
func (c *cluster) pool(ctx context.Context, name string) (*pgxpool.Pool, error) {
	dsn := c.admin
	if name != "" {
		if err := migrations.CreateDatabase(ctx, c.admin, name); err != nil {
			return nil, err
		}
		var err error
		if dsn, err = migrations.DatabaseDSN(c.admin, name); err != nil {
			return nil, err
		}
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		config.MaxConns = connections
	}
	config.AfterConnect = bounded
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := migrations.Up(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// single is the database of the one instance that serve runs: the given one, or "flattrd" in the
// private cluster.
func (d *Database) single() string {
	if d.DatabaseURL != "" {
		return ""
	}
	return "flattrd"
}
