package privatepg

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// command is one of the cluster's binaries, run as the cluster's account. It gets death as its signal when our
// process ends. Its own process group keeps a terminal's Ctrl+C from it: we stop first, and then stop it.
func (c cluster) command(name string, death syscall.Signal, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin.dir, name), args...)
	cmd.Dir = "/"
	// Nothing of our own environment: PGPORT, PGDATA and the like would change what the server does.
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = c.account.attributes(death)
	return cmd
}

// spawn starts cmd from a thread that lives as long as the child: the kernel sends the parent-death signal
// when the thread ends that has started the child, not when the process does (prctl(2), PR_SET_PDEATHSIG).
func spawn(cmd *exec.Cmd) (exited <-chan error, err error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	return ended, <-started
}

const longestLog = 16 << 20 // bytes; one older log is kept

// openLog opens DIR/postgres.log for appending.
func (c cluster) openLog() (*os.File, error) {
	path := filepath.Join(c.dir, "postgres.log")
	if info, err := os.Stat(path); err == nil && info.Size() > longestLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("server log: %w", err)
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("server log: %w", err)
	}
	return file, nil
}

// logSince is what stands in the log from an offset on, for an error message; of much, the end.
func (c cluster) logSince(offset int64) string {
	file, err := os.Open(filepath.Join(c.dir, "postgres.log"))
	if err != nil {
		return ""
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, offset, longestLog))
	if err != nil || len(text) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "\n  " + strings.Join(lines[max(0, len(lines)-15):], "\n  ")
}
