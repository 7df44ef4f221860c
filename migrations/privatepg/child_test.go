package privatepg

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// childDir, in the environment, makes the test binary another owner of a cluster: a process of its own that can be
// killed, and that can be another user.
const childDir = "PRIVATEPG_TEST_CHILD_DIR"

// report is what a child says in one line when its Start has returned.
type report struct {
	DSN    string
	Server int // process id
	As     string
	Error  string
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(ownCluster(dir))
	}
	os.Exit(m.Run())
}

// ownCluster runs the cluster in dir until standard input ends.
func ownCluster(dir string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := Start(ctx, Config{Dir: dir, Settings: quick})
	if err != nil {
		_ = json.NewEncoder(os.Stdout).Encode(report{Error: err.Error()})
		return 1
	}
	owner, err := accountOf(filepath.Join(dir, "data"))
	if err == nil {
		_ = json.NewEncoder(os.Stdout).Encode(report{DSN: server.DSN("postgres"), Server: server.process.Pid, As: owner.String()})
		_, _ = io.Copy(io.Discard, os.Stdin)
		err = server.Stop(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child is a process that owns, or has failed to own, a cluster.
type child struct {
	report
	cmd   *exec.Cmd
	stdin io.Closer
}

// startChild starts the cluster in dir from a child process that runs as uid, and returns when it has reported.
func startChild(t *testing.T, dir string, uid int) *child {
	t.Helper()
	cmd := exec.Command(binaryFor(t))
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	c := &child{cmd: cmd, stdin: stdin}
	t.Cleanup(func() { c.kill(); _ = c.cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	must(t, err)
	must(t, json.Unmarshal(line, &c.report))
	return c
}

// stop ends the child in good order.
func (c *child) stop(t *testing.T) {
	t.Helper()
	must(t, c.stdin.Close())
	must(t, c.cmd.Wait())
}

// kill is kill -9.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// binaryFor copies the test binary to where every user can run it: go test builds it in a directory of mode 0700.
func binaryFor(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	source, err := os.Open(self)
	must(t, err)
	defer source.Close()
	path := filepath.Join(openDir(t), "owner")
	target, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(target, source)
	must(t, err)
	must(t, target.Close())
	return path
}

// openDir is a temporary directory that every user can enter; t.TempDir can be entered by us only.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "privatepg")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, os.Chmod(dir, 0o755))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
