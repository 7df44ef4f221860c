package privatepg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// quick makes clusters that no power failure has to be survived by.
var quick = map[string]string{"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	server, err := Start(t.Context(), Config{Dir: dir, Settings: quick})
	must(t, err)
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	return server
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	must(t, err)
}

func text(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	var value string
	must(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}

func TestAClusterKeepsItsDataBetweenRuns(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "some", "where")
	begin := time.Now()
	server, err := Start(t.Context(), Config{Dir: dir}) // durable, as in production
	must(t, err)
	cold := time.Since(begin)
	conn := connect(t, server.DSN("postgres"))
	execute(t, conn, `CREATE DATABASE kept`)
	kept := connect(t, server.DSN("kept"))
	execute(t, kept, `CREATE TABLE note (words text)`)
	execute(t, kept, `INSERT INTO note (words) VALUES ('grüße')`)

	begin = time.Now()
	must(t, server.Stop(t.Context()))
	stopped := time.Since(begin)
	if pids := inhabitants(filepath.Join(dir, "data")); len(pids) != 0 {
		t.Errorf("processes %v after Stop", pids)
	}
	if _, err := os.Lstat(filepath.Join(dir, "s")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket directory after Stop: %v", err)
	}

	begin = time.Now()
	server, err = Start(t.Context(), Config{Dir: dir})
	must(t, err)
	warm := time.Since(begin)
	if words := text(t, connect(t, server.DSN("kept")), `SELECT words FROM note`); words != "grüße" {
		t.Errorf("after a restart the row says %q", words)
	}
	must(t, server.Stop(t.Context()))
	t.Logf("cold %v, stop %v, warm %v", cold, stopped, warm)
}

func TestASecondStartIsRefusedByName(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	server := start(t, dir)

	_, err := Start(t.Context(), Config{Dir: dir})
	inUse := new(InUseError)
	if !errors.As(err, &inUse) || inUse.Dir != dir || inUse.PID != os.Getpid() {
		t.Errorf("second start in this process: %v", err)
	}
	other := startChild(t, dir, os.Getuid())
	for _, part := range []string{dir, "in use by process " + strconv.Itoa(os.Getpid())} {
		if !strings.Contains(other.Error, part) {
			t.Errorf("second start in another process: %q doesn't say %q", other.Error, part)
		}
	}
	if text(t, connect(t, server.DSN("postgres")), `SELECT 'alive'`) != "alive" {
		t.Error("the first server doesn't answer any more")
	}
	must(t, server.Stop(t.Context()))
	start(t, dir) // and the directory is free again
}

func TestKillingTheOwnerEndsTheServer(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	owner := startChild(t, dir, os.Getuid())
	if owner.Error != "" {
		t.Fatal(owner.Error)
	}
	conn := connect(t, owner.DSN)
	execute(t, conn, `CREATE DATABASE kept`)

	owner.kill()
	begin := time.Now()
	data := filepath.Join(dir, "data")
	for len(inhabitants(data)) > 0 && time.Since(begin) < 15*time.Second {
		time.Sleep(5 * time.Millisecond)
	}
	if pids := inhabitants(data); len(pids) > 0 {
		t.Fatalf("processes %v live 15 s after their owner", pids)
	}
	t.Logf("the server ended %v after its owner", time.Since(begin))
	log, err := os.ReadFile(filepath.Join(dir, "postgres.log"))
	must(t, err)
	if !strings.Contains(string(log), "database system is shut down") {
		t.Errorf("not an orderly shutdown:\n%s", log)
	}
	connect(t, start(t, dir).DSN("kept"))
}

func TestStartRightAfterTheOwnerWasKilled(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	for range 3 {
		owner := startChild(t, dir, os.Getuid())
		if owner.Error != "" {
			t.Fatal(owner.Error)
		}
		owner.kill()
		_ = owner.cmd.Wait() // the lock goes with the process
	}
	start(t, dir)
}

func TestSettings(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	settings := map[string]string{"max_connections": "37", "listen_addresses": "localhost", "port": "1"}
	server, err := Start(t.Context(), Config{Dir: dir, Settings: settings})
	must(t, err)
	conn := connect(t, server.DSN("postgres"))
	for name, want := range map[string]string{
		"max_connections": "37", "listen_addresses": "", "fsync": "on", "data_checksums": "on",
		"server_encoding": "UTF8", "timezone": "UTC", "is_superuser": "off",
	} {
		if got := text(t, conn, "SHOW "+name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	_, err = conn.Exec(t.Context(), `SELECT pg_read_file('/etc/passwd')`)
	if refused := new(pgconn.PgError); !errors.As(err, &refused) || refused.Code != "42501" {
		t.Errorf("our role reads the machine's files: %v", err)
	}
	must(t, server.Stop(t.Context()))

	_, err = Start(t.Context(), Config{Dir: dir, Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("the server's own words are missing: %v", err)
	}
	start(t, dir) // a failed start gives the directory free
}

func TestDoneTellsOfAServerThatEndedByItself(t *testing.T) {
	t.Parallel()
	server := start(t, openDir(t))
	must(t, server.process.Signal(syscall.SIGQUIT))
	select {
	case <-server.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("nothing told of the server's end")
	}
	first := server.Stop(t.Context())
	if second := server.Stop(t.Context()); !errors.Is(second, first) {
		t.Errorf("Stop says %v, then %v", first, second)
	}
}

func TestStopForcesAServerThatHangs(t *testing.T) {
	t.Parallel()
	server := start(t, openDir(t))
	must(t, server.process.Signal(syscall.SIGSTOP))
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	begin := time.Now()
	if err := server.Stop(impatient); err == nil {
		t.Error("a killed server counts as stopped in order")
	}
	if took := time.Since(begin); took > 18*time.Second {
		t.Errorf("Stop took %v", took)
	}
}
