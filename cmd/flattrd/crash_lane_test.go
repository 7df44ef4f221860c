//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
	n           int
	leastClaims int           // of the month, as a check that there is something to compare
	ahead       time.Duration // the clock
	nodes       []*node
	books       []*instance // the same databases, read by the test
	wire        *wire
	busy        *load // what goes on beside; nil: nothing
	ctx         context.Context
	stop        context.CancelCauseFunc
	say         func(format string, args ...any) // of a kill, and of the way back; nil
}

// lane is a new run's. There are six pairs, and one claim that is refused.
func (r *crashRig) lane(n int) *lane { return &lane{crashRig: r, n: n, leastClaims: 7} }

func (l *lane) databases() []string { return l.crashRig.databases(fmt.Sprint("lane", l.n)) }

func (l *lane) clockFile() string { return filepath.Join(l.dir, fmt.Sprintf("clock-lane%d", l.n)) }

// address is where instance k listens: Linux takes all of 127.0.0.0/8 for this machine.
func (l *lane) address(k int) string { return fmt.Sprintf("127.0.%d.%d", 100+l.n, k+1) }

// turn sets the clock of the three processes, which read it ten times a second.
func (l *lane) turn(ahead time.Duration) error {
	l.ahead = ahead
	return writeClock(l.clockFile(), ahead)
}

// begin copies the snapshot before a stage and starts the three processes on it, with their failpoints armed.
func (l *lane) begin(ctx context.Context, stage string, armed [3]string) error {
	l.ctx, l.stop = context.WithCancelCause(ctx)
	s := l.snapshots[stage]
	if l.seed != 0 {
		l.busy = &load{seed: l.seed, clicks: 2, stage: slices.IndexFunc(crashStages, func(s crashStage) bool { return s.name == stage })}
	}
	if err := l.turn(s.clock); err != nil {
		return err
	}
	l.nodes, l.books = nil, nil
	var err error
	if l.wire, err = l.listenIn(); err != nil {
		return err
	}
	for k, name := range l.databases() {
		if err := l.copy(ctx, s.databases[k], name); err != nil {
			return err
		}
		if err := l.open(ctx, name); err != nil {
			return err
		}
	}
	for k, b := range l.books {
		n := l.node(k)
		n.env = append(n.env, "FLATTRD_DATABASE_URL="+b.pool.Config().ConnString(), "FLATTRD_DATA="+l.dir)
		l.nodes = append(l.nodes, n)
		n.begin(l.binary, armed[k])
	}
	return nil
}

// node is the process of instance k, but for where its books are. The others are reached by the wire.
func (l *lane) node(k int) *node {
	i := worldInstances[k]
	var table []string
	for k, i := range worldInstances {
		table = append(table, i.letter+".localhost="+l.tap(k))
	}
	n := &node{letter: i.letter, host: worldHost(i.letter, l.port), at: fmt.Sprintf("%s:%d", l.address(k), l.port),
		failed: l.stop, say: l.say}
	n.env = []string{"FLATTRD_HOST=" + n.host, "FLATTRD_RECIPROCITY=" + i.reciprocity, "FLATTRD_LISTEN=" + n.at,
		"FLATTRD_LOG_LEVEL=WARN", "FLATTRD_TEST=1", "FLATTRD_TEST_HTTP=1",
		"FLATTRD_TEST_CLOCK=" + l.clockFile(), "FLATTRD_TEST_RESOLVE=" + strings.Join(table, ","),
		"FLATTRD_TEST_ALLOW=127.0.0.0/8"}
	return n
}

// open lets the test read an instance's books.
func (l *lane) open(ctx context.Context, database string) error {
	dsn, err := migrations.DatabaseDSN(l.admin, database)
	if err != nil {
		return err
	}
	return l.openAt(ctx, dsn)
}

func (l *lane) openAt(ctx context.Context, dsn string) (err error) {
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
	if l.wire != nil {
		l.wire.end()
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

// slowest is the longest that a process took from its start to its first answer.
func (l *lane) slowest() (longest time.Duration) {
	for _, n := range l.nodes {
		longest = max(longest, time.Duration(n.longest.Load()))
	}
	return longest
}

func (l *lane) logs() string {
	var all strings.Builder
	for k, n := range l.nodes {
		fmt.Fprintf(&all, "%s:\n%s", worldInstances[k].letter, n.log.String())
	}
	return all.String()
}

// browser is somebody's who finds the hosts at this lane's addresses, and seems to come from another address with each
// request: how often one may ask isn't what is looked at here.
func (l *lane) browser() *browser {
	b := newBrowser()
	b.client.Transport = wanderer{&http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		var d net.Dialer
		return d.DialContext(ctx, network, net.JoinHostPort(l.address(int(host[0]-'a')), port))
	}}}
	return b
}

type wanderer struct{ *http.Transport }

func (w wanderer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", rand.IntN(256), rand.IntN(256), rand.IntN(256)))
	return w.Transport.RoundTrip(r)
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
