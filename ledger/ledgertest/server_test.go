package ledgertest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// joinDir, in the environment, makes the test binary another user of the server in that directory.
const joinDir = "LEDGERTEST_JOIN_DIR"

// idle is how long the servers of these tests outlive their last user.
const idle = 400 * time.Millisecond

func TestMain(m *testing.M) {
	if dir := os.Getenv(joinDir); dir != "" {
		os.Exit(joinAsUser(dir))
	}
	os.Exit(m.Run())
}

// joinAsUser says which server it got, and stays a user until standard input ends.
func joinAsUser(dir string) int {
	dsn, err := sharedServer{dir: dir, idle: idle}.join()
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	defer conn.Close(ctx)
	var started time.Time
	if err := conn.QueryRow(ctx, `SELECT pg_postmaster_start_time()`).Scan(&started); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println(started.UnixMicro())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// user is another process that uses a server.
type user struct {
	cmd   *exec.Cmd
	stdin io.Closer
	said  chan string // when the server was started, or an error
}

func newUser(t *testing.T, dir string) user {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	u := user{cmd: exec.Command(self), said: make(chan string, 1)}
	u.cmd.Env = append(os.Environ(), joinDir+"="+dir)
	u.stdin, err = u.cmd.StdinPipe()
	must(t, err)
	stdout, err := u.cmd.StdoutPipe()
	must(t, err)
	must(t, u.cmd.Start())
	t.Cleanup(func() { _ = u.cmd.Process.Kill(); _ = u.cmd.Wait() })
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		u.said <- strings.TrimSpace(line)
	}()
	return u
}

func serverDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ledgertest")
	must(t, err)
	must(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// within waits until a condition holds.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func gone(dir string) func() bool {
	return func() bool {
		_, err := os.Stat(filepath.Join(dir, "pg"))
		return os.IsNotExist(err)
	}
}

func TestProcessesShareOneServer(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	begin := time.Now()
	var users []user
	for range 4 {
		users = append(users, newUser(t, dir))
	}
	first := <-users[0].said
	for _, u := range users[1:] {
		if said := <-u.said; said != first || strings.HasPrefix(said, "error") {
			t.Errorf("one process has %s, another %s", first, said)
		}
	}
	t.Logf("four processes had the server after %v", time.Since(begin))

	for _, u := range users[1:] {
		must(t, u.cmd.Process.Kill()) // a killed user is no user any more, and one is left
		_ = u.cmd.Wait()
	}
	time.Sleep(3 * idle)
	last := newUser(t, dir)
	if said := <-last.said; said != first {
		t.Errorf("the server ended under a user: %s, then %s", first, said)
	}
	for _, u := range []user{users[0], last} {
		must(t, u.stdin.Close())
		must(t, u.cmd.Wait())
	}
	within(t, time.Minute, "the server ends after its last user", gone(dir))

	after := newUser(t, dir)
	if said := <-after.said; said == first || strings.HasPrefix(said, "error") {
		t.Errorf("after its end the server is %s again", said)
	}
	must(t, after.cmd.Process.Kill())
	within(t, time.Minute, "the second server ends too", gone(dir))
}

func TestADamagedServerIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	must(t, os.MkdirAll(filepath.Join(dir, "pg", "data"), 0o711))
	must(t, os.WriteFile(filepath.Join(dir, "pg", "data", "PG_VERSION"), []byte("15\n"), 0o600))
	u := newUser(t, dir)
	if said := <-u.said; said == "" || strings.HasPrefix(said, "error") {
		t.Error(said)
	}
	must(t, u.cmd.Process.Kill())
	within(t, time.Minute, "the server ends", gone(dir))
}

func TestTheServersDirectoryIsOurs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(serverDir(t), "link")
	must(t, os.Symlink(t.TempDir(), dir))
	if _, err := (sharedServer{dir: dir, idle: idle}).join(); err == nil || !strings.Contains(err.Error(), "isn't a directory of user") {
		t.Errorf("a server in a directory that somebody else points to: %v", err)
	}
}

// What the supervisor couldn't do is told by the test that wanted the server.
func TestTheSupervisorsErrorReachesTheTest(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	must(t, os.Mkdir(filepath.Join(dir, "pg"), 0o711))
	held, err := sharedServer{dir: filepath.Join(dir, "pg")}.lock("lock", syscall.LOCK_EX)
	must(t, err)
	defer held.Close()
	_, err = held.WriteString(fmt.Sprintln(os.Getpid()))
	must(t, err)
	_, err = sharedServer{dir: dir, idle: idle}.join()
	if want := fmt.Sprintf("in use by process %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
}
