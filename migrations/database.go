package migrations

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// names of databases that we create: ones that SQL doesn't have to quote, of at most 63 bytes (NAMEDATALEN).
var names = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// CreateDatabase creates a database on the server that adminDSN leads to, unless it exists. Its owner is
// adminDSN's user, who needs the right CREATEDB. Several processes may ask for the same one at once.
func CreateDatabase(ctx context.Context, adminDSN, name string) error {
	return onServer(ctx, adminDSN, name, func(conn *pgx.Conn) error {
		var exists bool
		err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)`, name).Scan(&exists)
		if err != nil || exists {
			return err
		}
		// template0, because it is never in use: template1 can't be copied while somebody is connected to it.
		_, err = conn.Exec(ctx, `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'UTF8'`)
		if alreadyThere(err) {
			return nil
		}
		return err
	})
}

// alreadyThere: duplicate_database, or unique_violation where two creations overlap.
func alreadyThere(err error) bool {
	refused := new(pgconn.PgError)
	return errors.As(err, &refused) && (refused.Code == "42P04" || refused.Code == "23505")
}

// DropDatabase removes a database, with everything in it and the connections to it, if it exists.
func DropDatabase(ctx context.Context, adminDSN, name string) error {
	return onServer(ctx, adminDSN, name, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`)
		return err
	})
}

// onServer calls do with a connection, for the database of that name.
func onServer(ctx context.Context, adminDSN, name string, do func(*pgx.Conn) error) error {
	if !names.MatchString(name) {
		return fmt.Errorf("database name %q: want lower-case letters, digits and _, a letter first, at most 63", name)
	}
	conn, err := pgx.Connect(ctx, adminDSN)
	if err != nil {
		return fmt.Errorf("database %s: %w", name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := do(conn); err != nil {
		return fmt.Errorf("database %s: %w", name, err)
	}
	return nil
}

// DatabaseDSN is the connection string of another database on the server that dsn leads to.
func DatabaseDSN(dsn, name string) (string, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return dsn + " dbname=" + name, nil // keywords and values: the last one wins
	}
	address, err := url.Parse(dsn)
	if err != nil {
		return "", errors.New("database address: not a URL") // the parser's own words may hold the password
	}
	address.Path, address.RawPath = "/"+name, ""
	var kept []string
	for _, option := range strings.Split(address.RawQuery, "&") {
		if key, _, _ := strings.Cut(option, "="); key != "dbname" && key != "database" {
			kept = append(kept, option)
		}
	}
	address.RawQuery = strings.Join(kept, "&")
	return address.String(), nil
}
