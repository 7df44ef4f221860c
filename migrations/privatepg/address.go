package privatepg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// Superuser owns the cluster. Only tests and the start itself need it.
	Superuser = "postgres"
	// Role is whom the program logs in as. It may create databases and nothing more, so that what gets into our SQL
	// can't read the machine's files or run its programs, as a superuser can.
	Role = "flattrd"

	port         = "5432" // a part of the socket's name; nothing listens on TCP
	socketName   = ".s.PGSQL." + port
	longestPath  = 103 // of a socket address, in bytes: sun_path is 104 on macOS, 108 on Linux, both with a final zero
	shortPlaces  = "/tmp"
	shortPattern = "flattrd-pg-"
)

// Address is where a running cluster listens: the directory of its socket.
type Address string

// AddressOf is the address of the cluster that another process runs in dir.
// Error: fs.ErrNotExist if none was started there.
func AddressOf(dir string) (Address, error) {
	socket, err := filepath.EvalSymlinks(filepath.Join(dir, "s"))
	if err != nil {
		return "", fmt.Errorf("PostgreSQL socket of %s: %w", dir, err)
	}
	socket, err = filepath.Abs(socket)
	return Address(socket), err
}

// DSN is the connection string of a database, as [Role].
func (a Address) DSN(database string) string { return a.dsn(Role, database) }

// SuperuserDSN is the connection string of a database, as [Superuser].
func (a Address) SuperuserDSN(database string) string { return a.dsn(Superuser, database) }

// dsn names everything that a PG… variable in the environment could otherwise decide.
func (a Address) dsn(user, database string) string {
	query := url.Values{"host": {string(a)}, "port": {port}, "sslmode": {"disable"}}
	// In a connection string a plus sign is a plus sign, unlike in a form.
	encoded := strings.ReplaceAll(query.Encode(), "+", "%20")
	return (&url.URL{Scheme: "postgres", User: url.User(user), Path: "/" + database, RawQuery: encoded}).String()
}

// makeSocketDir makes the directory of the socket and returns it: DIR/s, or a directory in a short place that DIR/s
// points to.
func makeSocketDir(dir string, acct account) (string, error) {
	link := filepath.Join(dir, "s")
	removeSocketDir(link) // of a process that was killed
	place, err := socketPlace(link)
	if err != nil {
		return "", fmt.Errorf("directory for PostgreSQL's socket: %w", err)
	}
	if err := acct.own(place); err != nil {
		return "", err
	}
	return place, nil
}

// socketPlace: a comma would make two hosts of one path in a connection string.
func socketPlace(link string) (string, error) {
	if len(filepath.Join(link, socketName)) <= longestPath && !strings.Contains(link, ",") {
		return link, os.Mkdir(link, 0o700)
	}
	place, err := os.MkdirTemp(shortPlaces, shortPattern)
	if err != nil {
		return "", err
	}
	return place, os.Symlink(place, link)
}

// removeSocketDir removes what makeSocketDir and PostgreSQL have made, and by name only: a short place lies where
// others can write, so nothing may be removed that we didn't put there.
func removeSocketDir(link string) {
	place := link
	if target, err := os.Readlink(link); err == nil {
		place = target
	}
	for _, path := range []string{filepath.Join(place, socketName), filepath.Join(place, socketName+".lock"), place, link} {
		_ = os.Remove(path) // what can't be removed shows when it is made again
	}
}

// awaitReady returns when the server answers and our role exists, or with the reason why that won't happen.
func (s *Server) awaitReady(ctx context.Context) error {
	for {
		err := s.ensureRole(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("the server has ended (%w)", errors.Join(s.exit, err))
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ensureRole creates our role in a cluster that doesn't have it yet. It isn't part of initdb, so it is looked for at
// every start: a process may be killed between the two.
func (s *Server) ensureRole(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.SuperuserDSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var exists bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1)`, Role).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, `CREATE ROLE `+Role+` LOGIN CREATEDB NOSUPERUSER NOCREATEROLE`)
	return err
}
