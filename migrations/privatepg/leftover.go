package privatepg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// evict ends what an earlier holder of the lock has left running, and removes its postmaster.pid. We hold the lock,
// so nobody who is alive wants that server. PostgreSQL by itself would refuse to start: it takes any process with the
// id in postmaster.pid for a running server, though it may be a zombie, or in a new container another program.
func (c cluster) evict(ctx context.Context) error {
	for _, data := range []string{c.data(), c.data() + ".new"} {
		if err := c.evictFrom(ctx, data); err != nil {
			return err
		}
	}
	return nil
}

func (c cluster) evictFrom(ctx context.Context, data string) error {
	steps := []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, 20 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}}
	for _, step := range steps {
		pids := inhabitants(data)
		if len(pids) == 0 {
			return clearPID(data)
		}
		c.logger.Warn("ending a PostgreSQL that was left over", "dir", data, "pids", pids, "signal", step.signal.String())
		for _, pid := range signalled(data, pids, step.signal) {
			_ = syscall.Kill(pid, step.signal) // one that has ended meanwhile is what we want
		}
		if err := awaitEmpty(ctx, data, step.wait); err != nil {
			return err
		}
	}
	if pids := inhabitants(data); len(pids) > 0 {
		return fmt.Errorf("a PostgreSQL left over in %s doesn't end: processes %v", data, pids)
	}
	return clearPID(data)
}

// signalled are the processes that get a signal: the server's first one, which ends the others in order; all of them
// only when they are killed.
func signalled(data string, pids []int, signal syscall.Signal) []int {
	first := postmaster(data)
	if signal != syscall.SIGKILL && slices.Contains(pids, first) {
		return []int{first}
	}
	return pids
}

// awaitEmpty waits until data has no inhabitants, but no longer than patience.
func awaitEmpty(ctx context.Context, data string, patience time.Duration) error {
	for end := time.Now().Add(patience); time.Now().Before(end) && len(inhabitants(data)) > 0; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// postmaster is the process id in data/postmaster.pid, or 0.
func postmaster(data string) int {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(line))
	return pid
}

func clearPID(data string) error {
	err := os.Remove(filepath.Join(data, "postmaster.pid"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("PostgreSQL cluster: %w", err)
	}
	return nil
}
