//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/migrations"
)

// lane is where one run at a time is played: three databases, a clock, and three loopback addresses.
type lane struct {
	*crashRig
	n     int
	ahead time.Duration // the clock
	nodes []*node
	books []*instance // the same databases, read by the test
	ctx   context.Context
	stop  context.CancelCauseFunc
}

func (r *crashRig) lane(n int) *lane { return &lane{crashRig: r, n: n} }

func (l *lane) databases() []string { return l.crashRig.databases(fmt.Sprint("lane", l.n)) }

func (l *lane) clockFile() string { return filepath.Join(l.dir, fmt.Sprintf("clock-lane%d", l.n)) }

// address is where instance k listens: Linux takes all of 127.0.0.0/8 for this machine.
func (l *lane) address(k int) string { return fmt.Sprintf("127.0.%d.%d", 100+l.n, k+1) }

// turn sets the clock of the three processes, which read it ten times a second.
func (l *lane) turn(ahead time.Duration) error {
	l.ahead = ahead
	return writeClock(l.clockFile(), ahead)
}

// begin copies a snapshot and starts the three processes on it, with their failpoints armed.
func (l *lane) begin(ctx context.Context, s snapshot, armed [3]string) error {
	l.ctx, l.stop = context.WithCancelCause(ctx)
	if err := l.turn(s.clock); err != nil {
		return err
	}
	l.nodes, l.books = nil, nil
	for k, name := range l.databases() {
		if err := l.copy(ctx, s.databases[k], name); err != nil {
			return err
		}
		if err := l.open(ctx, name); err != nil {
			return err
		}
	}
	for k, b := range l.books {
		n := &node{env: l.env(k, b.pool.Config().ConnString()), failed: l.stop}
		l.nodes = append(l.nodes, n)
		n.begin(l.binary, armed[k])
	}
	return nil
}

func (l *lane) env(k int, dsn string) []string {
	i := worldInstances[k]
	var table []string
	for k, i := range worldInstances {
		table = append(table, i.letter+".localhost="+l.address(k))
	}
	return []string{"FLATTRD_HOST=" + worldHost(i.letter, l.port), "FLATTRD_RECIPROCITY=" + i.reciprocity,
		fmt.Sprintf("FLATTRD_LISTEN=%s:%d", l.address(k), l.port), "FLATTRD_DATABASE_URL=" + dsn,
		"FLATTRD_DATA=" + l.dir, "FLATTRD_LOG_LEVEL=WARN", "FLATTRD_TEST=1", "FLATTRD_TEST_HTTP=1",
		"FLATTRD_TEST_CLOCK=" + l.clockFile(), "FLATTRD_TEST_RESOLVE=" + strings.Join(table, ","),
		"FLATTRD_TEST_ALLOW=127.0.0.0/8"}
}

// open lets the test read an instance's books.
func (l *lane) open(ctx context.Context, database string) error {
	dsn, err := migrations.DatabaseDSN(l.admin, database)
	if err != nil {
		return err
	}
	b := &instance{}
	if b.pool, err = pgxpool.New(ctx, dsn); err != nil {
		return err
	}
	l.books = append(l.books, b)
	outbox, err := federation.NewOutbox(b.pool, nil)
	if err != nil {
		return err
	}
	b.ledger, err = ledger.Open(ctx, ledger.Options{Pool: b.pool, Outbox: outbox})
	return err
}

// end lets the processes finish what is under way, as an operator stops them, or kills them.
func (l *lane) end(how syscall.Signal) {
	for _, b := range l.books {
		b.pool.Close()
	}
	for _, n := range l.nodes {
		n.end(how)
	}
	if l.stop != nil {
		l.stop(nil)
	}
}

// deaths counts how often each process was killed at its failpoint.
func (l *lane) deaths() (all [3]int32) {
	for k, n := range l.nodes {
		all[k] = n.deaths.Load()
	}
	return all
}

func (l *lane) logs() string {
	var all strings.Builder
	for k, n := range l.nodes {
		fmt.Fprintf(&all, "%s:\n%s", worldInstances[k].letter, n.log.String())
	}
	return all.String()
}

// browser is somebody's who finds the hosts at this lane's addresses.
func (l *lane) browser() *browser {
	b := newBrowser()
	b.client.Transport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		var d net.Dialer
		return d.DialContext(ctx, network, net.JoinHostPort(l.address(int(host[0]-'a')), port))
	}}
	return b
}

// node is an instance's process. One that was killed at its failpoint is started again without it; one
// that ends in any other way fails the run.
type node struct {
	env    []string
	failed context.CancelCauseFunc
	log    syncBuffer
	deaths atomic.Int32
	ending atomic.Int32 // the signal that ends it
	quit   context.CancelFunc
	gone   chan struct{}
}

func (n *node) begin(binary, failpoint string) {
	ctx, quit := context.WithCancel(context.Background())
	n.quit, n.gone = quit, make(chan struct{})
	n.ending.Store(int32(syscall.SIGKILL))
	go func() {
		defer close(n.gone)
		runtime.LockOSThread() // Pdeathsig means the thread that started the process, not ours as a whole
		for {
			killed, err := n.run(ctx, binary, failpoint)
			switch {
			case ctx.Err() != nil:
				return
			case !killed || failpoint == "":
				n.failed(fmt.Errorf("%s ended by itself: %w", n.env[0], err))
				return
			}
			n.deaths.Add(1)
			failpoint = ""
		}
	}()
}

// run runs the program until it ends. It dies with the test, also if that is killed.
func (n *node) run(ctx context.Context, binary, failpoint string) (killed bool, err error) {
	cmd := exec.CommandContext(ctx, binary, "serve")
	cmd.Env = append(append(os.Environ(), n.env...), "FLATTRD_FAILPOINT="+failpoint)
	cmd.Stdout, cmd.Stderr = &n.log, &n.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.Signal(n.ending.Load())) }
	err = cmd.Run()
	if cmd.ProcessState == nil {
		return false, err
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL, err
}

// end stops the process and waits for it.
func (n *node) end(how syscall.Signal) {
	n.ending.Store(int32(how))
	n.quit()
	<-n.gone
}

// syncBuffer takes what several processes in turn write.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
