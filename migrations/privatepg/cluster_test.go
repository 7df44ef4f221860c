package privatepg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAnUnfinishedClusterIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	must(t, os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "data.new", "PG_VERSION"), []byte("15\n"), 0o600))

	brief, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // initdb takes longer
	defer cancel()
	if _, err := Start(brief, Config{Dir: dir}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a start that was cut short: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a cluster has the whole one's name: %v", err)
	}
	start(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "data.new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("data.new is left: %v", err)
	}
}

// A server whose owner is gone and that nothing has told to end, as after kill -9 on a system without
// parent-death signals.
func TestALeftOverServerIsEnded(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	left := start(t, dir)
	execute(t, connect(t, left.DSN("postgres")), `CREATE DATABASE kept`)
	left.lock.release()

	connect(t, start(t, dir).DSN("kept"))
	select {
	case <-left.Done():
	default:
		t.Error("the server left over still runs")
	}
}

func TestAKilledServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	server := start(t, dir)
	must(t, server.process.Kill())
	<-server.Done()
	if err := server.Stop(t.Context()); err == nil {
		t.Error("Stop doesn't tell that the server was killed")
	}
	start(t, dir) // postmaster.pid is left, and PostgreSQL's other processes are just ending
}

// postmaster.pid may name a process that is no server: a zombie, or whoever got the id in a new container. PostgreSQL
// itself refuses to start then.
func TestPostmasterPIDOfAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	must(t, start(t, dir).Stop(t.Context()))
	data := filepath.Join(dir, "data")
	owner, err := accountOf(data)
	must(t, err)
	name := filepath.Join(data, "postmaster.pid")

	for _, program := range []string{"true", "sleep"} {
		other := exec.Command(program, "60")
		other.SysProcAttr = owner.attributes(0)
		must(t, other.Start()) // not waited for: "true" is a zombie soon
		time.Sleep(100 * time.Millisecond)
		must(t, os.WriteFile(name, fmt.Appendf(nil, "%d\n%s\n1\n5432\n\n\n\n", other.Process.Pid, data), 0o600))
		must(t, os.Chown(name, owner.uid, owner.gid))
		server := start(t, dir)
		must(t, server.Stop(t.Context()))
		if err := other.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("%s was ended: %v", program, err)
		}
		must(t, other.Process.Kill())
		_ = other.Wait()
	}
}

func TestLongAndOddDirectories(t *testing.T) {
	t.Parallel()
	for _, name := range []string{strings.Repeat("long/", 40) + "path", `with "quotes", commas`, `with "quotes" + it's a place & 100%`} {
		dir := filepath.Join(openDir(t), name)
		owner := startChild(t, dir, os.Getuid())
		if owner.Error != "" {
			t.Errorf("%s: %s", name, owner.Error)
			continue
		}
		connect(t, owner.DSN)
		before, err := AddressOf(dir)
		must(t, err)
		owner.kill()
		_ = owner.cmd.Wait()

		server := start(t, dir)
		connect(t, server.DSN("postgres"))
		if now, err := AddressOf(dir); err != nil || now != server.Address {
			t.Errorf("%s: another process looks for the socket in %s (%v), it is in %s", name, now, err, server.Address)
		}
		must(t, server.Stop(t.Context()))
		for _, place := range []Address{before, server.Address} {
			if _, err := os.Lstat(string(place)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: socket directory %s is left (%v)", name, place, err)
			}
		}
	}
}
