package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/migrations/privatepg"
)

// sharedServer is a PostgreSQL for all test processes of one user. It is run by a process of its own, the supervisor:
// go test's processes come and go, and none of them may take the server along.
//
//	dir/users.lock  held, shared, by each process that uses the server; the kernel frees it with the process
//	dir/start.lock  held by who starts or ends the server
//	dir/pg          the cluster; removed when the server ends
//	dir/kept        exists if a database is to outlive its test
type sharedServer struct {
	dir  string
	idle time.Duration // without users, until the server ends
}

const (
	// superviseArg as the first argument makes any test binary the supervisor.
	superviseArg = "-flattrd-test-server"
	keptFor      = 30 * time.Minute
	roomInMemory = 2 << 30 // bytes
)

// settings: the data needn't survive the machine, only the tests' processes, so nothing waits for a disk.
var settings = map[string]string{
	"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off",
	"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "256MB", "max_connections": "300",
}

// used keeps the users' locks of this process. They are held until it ends, which a file that nothing refers to isn't:
// the garbage collector would close it.
var used []*os.File

func init() {
	if len(os.Args) != 4 || os.Args[1] != superviseArg {
		return
	}
	idle, err := time.ParseDuration(os.Args[3])
	if err != nil {
		os.Exit(2)
	}
	os.Exit(sharedServer{dir: os.Args[2], idle: idle}.supervise())
}

// sharedDir is in memory if there is room, which makes a test's database four times as fast, or if a server
// is there already: its own data may have taken the room.
func sharedDir() string {
	name := fmt.Sprintf("flattrd-test-%d", os.Getuid())
	inMemory := filepath.Join("/dev/shm", name)
	if _, err := os.Lstat(inMemory); err == nil {
		return inMemory
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &fs); err == nil && uint64(fs.Bavail)*uint64(fs.Bsize) >= roomInMemory {
		return inMemory
	}
	return filepath.Join(os.TempDir(), name)
}

func (s sharedServer) cluster() string { return filepath.Join(s.dir, "pg") }

// join makes this process a user of the server until it ends, starts the server if it isn't running, and returns
// the superuser's connection string.
func (s sharedServer) join() (dsn string, err error) {
	if err := s.makeDir(); err != nil {
		return "", err
	}
	users, err := s.lock("users.lock", syscall.LOCK_SH)
	if err != nil {
		return "", err
	}
	used = append(used, users)
	starting, err := s.lock("start.lock", syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer starting.Close()
	if dsn, err := s.answers(); err == nil {
		return dsn, nil
	}
	if err := s.launch(); err != nil {
		return "", fmt.Errorf("start the test server in %s: %w", s.dir, err)
	}
	return s.answers()
}

// makeDir makes the directory or checks that the one of this name is ours: it lies where everybody can write.
func (s sharedServer) makeDir() error {
	mode := os.FileMode(0o700)
	if os.Getuid() == 0 {
		mode = 0o711 // PostgreSQL runs as another user, which passes through
	}
	if err := os.Mkdir(s.dir, mode); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(s.dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("%s isn't a directory of user %d", s.dir, os.Getuid())
	}
	return nil
}

// lock opens and locks a file of the directory. The lock ends when the file is closed.
func (s sharedServer) lock(name string, how int) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(s.dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), how)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
		}
	}
}

// answers returns the server's address if it can be reached.
func (s sharedServer) answers() (dsn string, err error) {
	address, err := privatepg.AddressOf(s.cluster())
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dsn = address.SuperuserDSN("postgres")
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	return dsn, conn.Close(ctx)
}

// launch starts this very binary as supervisor and waits for its word. The supervisor has a session of its own and
// no share in our standard output, which go test would wait for.
func (s sharedServer) launch() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	word, say, err := os.Pipe()
	if err != nil {
		return err
	}
	defer word.Close()
	cmd := exec.Command(self, superviseArg, s.dir, s.idle.String())
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{say}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	say.Close()
	if err != nil {
		return err
	}
	go cmd.Wait() // so that it leaves no zombie if it ends before us
	said, err := io.ReadAll(word)
	if err == nil && string(said) != "ready" {
		err = errors.New(strings.TrimSpace("no word from the supervisor; " + string(said)))
	}
	return err
}

// supervise runs the server until nobody has used it for a while. It is the main function of the supervisor.
func (s sharedServer) supervise() int {
	say := os.NewFile(3, "say")
	syscall.CloseOnExec(3) // or PostgreSQL would keep it open, and who waits for our word would wait on
	ctx := context.Background()
	server, err := s.start(ctx)
	if err != nil {
		fmt.Fprint(say, err)
		return 1
	}
	_, _ = say.WriteString("ready")
	_ = say.Close()
	for last := time.Now(); ; {
		select {
		case <-server.Done():
			return 1
		case <-time.After(min(time.Second, s.idle/4)):
		}
		if s.inUse() {
			last = time.Now()
		} else if time.Since(last) >= s.idle && s.stop(ctx, server) {
			return 0
		}
	}
}

// start starts the cluster; one that can't be started, because the machine went down under it or because
// PostgreSQL is another version now, is made anew.
func (s sharedServer) start(ctx context.Context) (*privatepg.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	config := privatepg.Config{Dir: s.cluster(), Settings: settings}
	server, err := privatepg.Start(ctx, config)
	if inUse := new(privatepg.InUseError); err == nil || errors.As(err, &inUse) {
		return server, err
	}
	if err := os.RemoveAll(s.cluster()); err != nil {
		return nil, err
	}
	return privatepg.Start(ctx, config)
}

// inUse reports whether a process uses the server or a database is to be kept.
func (s sharedServer) inUse() bool {
	if info, err := os.Stat(filepath.Join(s.dir, "kept")); err == nil && time.Since(info.ModTime()) < keptFor {
		return true
	}
	unused, err := s.lock("users.lock", syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return true
	}
	unused.Close()
	return false
}

// stop ends the server and removes its data, unless somebody is about to use it. Who joins meanwhile waits for our
// locks, and then starts a new server.
func (s sharedServer) stop(ctx context.Context, server *privatepg.Server) bool {
	for _, name := range []string{"start.lock", "users.lock"} {
		held, err := s.lock(name, syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			return false
		}
		defer held.Close()
	}
	_ = server.Stop(ctx)
	_ = os.RemoveAll(s.cluster())
	return true
}

// noteKept makes the server stay for the database of a failed test.
func noteKept() {
	_ = os.WriteFile(filepath.Join(sharedDir(), "kept"), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
}
