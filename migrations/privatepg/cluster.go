package privatepg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// cluster is what the files in DIR are, and who can serve them.
type cluster struct {
	dir     string
	bin     binaries
	account account
	logger  *slog.Logger
}

func (c cluster) data() string { return filepath.Join(c.dir, "data") }

// prepare finds binaries and an account for the cluster and creates its files if there are none.
func (c *cluster) prepare(ctx context.Context, cfg Config) (created bool, err error) {
	major, err := clusterVersion(c.data())
	if err != nil {
		return false, err
	}
	dirs := cfg.BinDirs
	if dirs == nil {
		dirs = SearchDirs()
	}
	if c.bin, err = find(dirs, major); err != nil {
		return false, err
	}
	if major != 0 {
		c.account, err = accountOf(c.data())
		return false, err
	}
	return true, c.create(ctx, cfg.Settings["fsync"] != "off")
}

// clusterVersion is the major version that wrote the cluster, or 0 if there is none.
func clusterVersion(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("PostgreSQL cluster: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("PostgreSQL cluster %s: version: %w", data, err)
	}
	return major, nil
}

// create makes the cluster under another name and renames it when it is whole, so that a half-made one is never
// served. DIR itself stays ours: the server's user can't put a link there for us, perhaps root, to follow.
func (c *cluster) create(ctx context.Context, durable bool) error {
	fresh := c.data() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove unfinished PostgreSQL cluster: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("create PostgreSQL cluster: %w", err)
	}
	var err error
	if c.account, err = accountFor(fresh, c.bin); err != nil {
		return err
	}
	if err := c.initdb(ctx, fresh, durable); err != nil {
		return err
	}
	if err := os.Rename(fresh, c.data()); err != nil {
		return fmt.Errorf("create PostgreSQL cluster: %w", err)
	}
	return syncDir(c.dir)
}

func (c *cluster) initdb(ctx context.Context, fresh string, durable bool) error {
	out, err := c.openLog()
	if err != nil {
		return err
	}
	defer out.Close()
	from, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("server log: %w", err)
	}
	cmd := c.command("initdb", syscall.SIGTERM, initArgs(fresh, durable)...)
	cmd.Stdout, cmd.Stderr = out, out
	exited, err := spawn(cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	select {
	case err = <-exited:
	case <-ctx.Done():
		_ = cmd.Process.Signal(syscall.SIGTERM)
		err = errors.Join(context.Cause(ctx), <-exited)
	}
	if err != nil {
		return fmt.Errorf("initdb in %s: %w%s", fresh, err, c.logSince(from))
	}
	return nil
}

// initArgs: no password (trust), because the socket's directory decides who may connect; checksums, because this
// is a ledger; a locale that sorts alike on every machine.
func initArgs(data string, durable bool) []string {
	locale := "C.UTF-8"
	if runtime.GOOS == "darwin" {
		locale = "C" // macOS has no C.UTF-8 in all supported versions
	}
	args := []string{"-D", data, "-U", Superuser, "-A", "trust", "-E", "UTF8", "--locale=" + locale, "--data-checksums"}
	if !durable {
		args = append(args, "--no-sync")
	}
	return args
}

// serverArgs puts our own parameters last: a later -c wins, and where the server listens isn't for a caller to change.
func serverArgs(data, socket string, settings map[string]string) []string {
	args := []string{"-D", data, "-c", "timezone=UTC", "-c", "log_timezone=UTC"}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return append(args, "-c", "port="+port, "-c", "listen_addresses=", "-c", "unix_socket_permissions=0700",
		"-c", `unix_socket_directories="`+strings.ReplaceAll(socket, `"`, `""`)+`"`)
}

// syncDir makes a rename in dir survive a power failure.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}
