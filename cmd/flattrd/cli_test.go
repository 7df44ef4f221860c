package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The command line is tested as people and scripts use it: the built program, its output, its exit
// status, and what it leaves behind.

// outcome is what a command came to.
type outcome struct {
	code           int
	stdout, stderr string
}

// invoke runs the program to its end, with nothing in its environment but env.
func invoke(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	return finish(t, command(t, env, args...))
}

func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program(t), args...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	return cmd
}

func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// wants asserts an exit status, and words that the program must say.
func (o outcome) wants(t *testing.T, code int, stdout, stderr []string) {
	t.Helper()
	lacks := func(said string) func(string) bool {
		return func(word string) bool { return !strings.Contains(said, word) }
	}
	if o.code != code || slices.ContainsFunc(stdout, lacks(o.stdout)) || slices.ContainsFunc(stderr, lacks(o.stderr)) {
		t.Fatalf("exit status %d, want %d, %q and %q; standard output:\n%s\nstandard error:\n%s",
			o.code, code, stdout, stderr, o.stdout, o.stderr)
	}
}

// service is the program as it runs until it is told to stop.
type service struct {
	cmd      *exec.Cmd
	out, log string // files of standard output and standard error
	ended    chan struct{}
}

// begin starts the program, and waits until it has said a word that means ready.
func begin(t testing.TB, cmd *exec.Cmd, ready string) *service {
	t.Helper()
	dir := t.TempDir()
	s := &service{cmd: cmd, out: filepath.Join(dir, "out"), log: filepath.Join(dir, "log"), ended: make(chan struct{})}
	for file, to := range map[string]*io.Writer{s.out: &cmd.Stdout, s.log: &cmd.Stderr} {
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		*to = f
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait(); close(s.ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-s.ended })
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.stdout()+s.stderr(), ready); time.Sleep(20 * time.Millisecond) {
		select {
		case <-s.ended:
			if !strings.Contains(s.stdout()+s.stderr(), ready) {
				t.Fatalf("%v has ended:\n%s", cmd.Args, s.stderr())
			}
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v isn't ready:\n%s%s", cmd.Args, s.stdout(), s.stderr())
		}
	}
	return s
}

func (s *service) stdout() string { return read(s.out) }
func (s *service) stderr() string { return read(s.log) }

func read(file string) string {
	text, _ := os.ReadFile(file)
	return string(text)
}

// end sends a signal and returns the exit status; -1 if it was the signal that ended the program.
func (s *service) end(t testing.TB, sig os.Signal) int {
	t.Helper()
	_ = s.cmd.Process.Signal(sig)
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		t.Fatalf("%v lives 30 s after %v:\n%s", s.cmd.Args, sig, s.stderr())
	}
	return s.cmd.ProcessState.ExitCode()
}

// roomyDir is a directory that any user may pass through, in memory where there is room: a PostgreSQL
// waits for its disk otherwise.
func roomyDir(t testing.TB) string {
	t.Helper()
	place := ""
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &fs); err == nil && uint64(fs.Bavail)*uint64(fs.Bsize) >= 2<<30 {
		place = "/dev/shm"
	}
	dir, err := os.MkdirTemp(place, "flattrd-cli-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serversIn are the PostgreSQL processes whose data lies below a directory.
func serversIn(dir string) []int {
	var pids []int
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range all {
		line, _ := os.ReadFile(file)
		if bytes.Contains(line, []byte("-D\x00"+dir+"/")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// leavesNoServer: the private PostgreSQL ends with its program, however that ended.
func leavesNoServer(t testing.TB, dir string) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); len(serversIn(dir)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("PostgreSQL processes %v live 15 s after their program", serversIn(dir))
		}
	}
}

const nobody = 65534 // user and group

// asNobody lets an ordinary user run the program, if we are root: a copy where every user may run it.
func asNobody(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	dir, err := os.MkdirTemp("", "flattrd-cli-") // not in memory, where containers let nothing be run
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	text, err := os.ReadFile(cmd.Path)
	cmd.Path = filepath.Join(dir, "flattrd")
	if err := errors.Join(err, os.Chmod(dir, 0o755), os.WriteFile(cmd.Path, text, 0o755)); err != nil {
		t.Fatal(err)
	}
}
