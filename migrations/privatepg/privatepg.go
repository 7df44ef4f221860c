// Package privatepg runs a PostgreSQL of our own, so that nothing has to be configured before the first start.
//
// A cluster is a directory. It belongs to one process at a time (the lock is held until that process ends, however it
// ends), it is served by the machine's own PostgreSQL binaries, and it is reached through a Unix socket only: no TCP
// port, no password, and no clash with another server on the machine. Whoever may enter the socket's directory
// (mode 0700) may log in.
//
//	DIR/lock          held by flock; contains the process id of the holder
//	DIR/data          the cluster, owned by the user the server runs as
//	DIR/data.new      a cluster that initdb hasn't finished; thrown away by the next start
//	DIR/s             the socket, or a symbolic link to where it is if a socket address can't hold DIR
//	DIR/postgres.log  what the server says
//
// The server ends with its process. In good order that is [Server.Stop]; when the process is killed, the kernel
// tells the server to shut down (Linux), and in any case the next [Start] in the directory ends what is left over
// before it starts its own.
//
// PostgreSQL refuses to run as root. Started by root, the server runs as user postgres, else nobody; if neither can
// enter DIR (a directory under /root, say), it runs in a user namespace in which root's files belong to nobody.
package privatepg

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Config says which cluster is to run, and how.
type Config struct {
	// Dir is the cluster's directory. It is created if missing, with its parents.
	Dir string
	// BinDirs are searched, in order, for initdb and postgres. Nil stands for [SearchDirs].
	BinDirs []string
	// Settings are PostgreSQL parameters on top of our own, for example "max_connections": "300".
	// With "fsync": "off" the cluster is also created without syncing; such a cluster is for tests.
	Settings map[string]string
	// Logger hears of start, stop and of servers left over. Nil is silence.
	Logger *slog.Logger
}

// Server is a running cluster.
type Server struct {
	Address
	logger  *slog.Logger
	lock    *lock
	link    string // DIR/s
	process *os.Process

	done chan struct{} // closed when the server process has ended; exit is set before
	exit error

	stopOnce sync.Once
	stopErr  error
}

// Start starts the cluster in cfg.Dir, creating it first if there is none, and returns when it answers queries.
// ctx bounds the start only; a server that has to recover from a crash may need minutes.
//
// Errors: [*InUseError] if another process runs this cluster; [*MissingError] if the machine has no fitting PostgreSQL.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := makeDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	held, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	server, err := startLocked(ctx, cfg, held)
	if err != nil {
		held.release()
		return nil, err
	}
	return server, nil
}

// makeDir creates dir and returns its absolute path. Mode 0711 because the server's user has to pass through it;
// an ordinary user's server is that user, and needs no passage for others.
func makeDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("PostgreSQL directory: %w", err)
	}
	mode := os.FileMode(0o700)
	if os.Getuid() == 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return "", fmt.Errorf("PostgreSQL directory: %w", err)
	}
	return dir, nil
}

// startLocked is Start for the holder of the directory's lock.
func startLocked(ctx context.Context, cfg Config, held *lock) (*Server, error) {
	begin := time.Now()
	c := cluster{dir: cfg.Dir, logger: cfg.Logger}
	if err := c.evict(ctx); err != nil {
		return nil, err
	}
	created, err := c.prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	socket, err := makeSocketDir(cfg.Dir, c.account)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Address: Address(socket), logger: cfg.Logger, lock: held,
		link: filepath.Join(cfg.Dir, "s"), done: make(chan struct{}),
	}
	if err := s.launch(ctx, c, cfg.Settings); err != nil {
		removeSocketDir(s.link)
		return nil, err
	}
	cfg.Logger.Info("private PostgreSQL started", "dir", cfg.Dir, "version", c.bin.version, "as", c.account.String(),
		"created", created, "milliseconds", time.Since(begin).Milliseconds())
	return s, nil
}

// launch starts the server process and waits until it answers.
func (s *Server) launch(ctx context.Context, c cluster, settings map[string]string) error {
	out, err := c.openLog()
	if err != nil {
		return err
	}
	defer out.Close() // the child has its own copy
	from, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("server log: %w", err)
	}
	// SIGINT is PostgreSQL's fast shutdown: sessions are cut, what was committed is kept.
	cmd := c.command("postgres", syscall.SIGINT, serverArgs(c.data(), string(s.Address), settings)...)
	cmd.Stdout, cmd.Stderr = out, out
	exited, err := spawn(cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	s.process = cmd.Process
	go func() {
		s.exit = <-exited
		close(s.done)
	}()
	if err := s.awaitReady(ctx); err != nil {
		s.end(context.WithoutCancel(ctx))
		return fmt.Errorf("PostgreSQL in %s didn't start: %w%s", c.dir, err, c.logSince(from))
	}
	return nil
}

// Done is closed when the server process has ended, on its own or by [Server.Stop].
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop ends the server and gives its directory free. It lets PostgreSQL shut down in order for up to 20 seconds, or
// until ctx is done, then forces it; nothing that was committed is lost either way. The error says that the end
// was not an orderly one. Calling Stop again returns the first call's answer.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		begin := time.Now()
		s.stopErr = s.end(ctx)
		removeSocketDir(s.link)
		s.lock.release()
		s.logger.Info("private PostgreSQL stopped", "milliseconds", time.Since(begin).Milliseconds(), "error", s.stopErr)
	})
	return s.stopErr
}

// end takes the server process from fast shutdown over immediate shutdown to SIGKILL.
func (s *Server) end(ctx context.Context) error {
	steps := []struct {
		signal  syscall.Signal
		patient context.Context
		wait    time.Duration
	}{
		{syscall.SIGINT, ctx, 20 * time.Second},
		{syscall.SIGQUIT, context.Background(), 5 * time.Second},
		{syscall.SIGKILL, context.Background(), 5 * time.Second},
	}
	for i, step := range steps {
		_ = s.process.Signal(step.signal) // an ended process shows in done
		select {
		case <-s.done:
			if i > 0 && s.exit == nil {
				return fmt.Errorf("PostgreSQL had to be ended by %v", step.signal)
			}
			return s.exit
		case <-step.patient.Done():
		case <-time.After(step.wait):
		}
	}
	return fmt.Errorf("PostgreSQL process %d doesn't end", s.process.Pid)
}
