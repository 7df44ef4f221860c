package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/migrations"
	"github.com/fedflattr/flattrd/web"
)

// localserveCommand runs three instances and a blog on one loopback port, for trying and developing.
type localserveCommand struct {
	Port  uint16 `env:"FLATTRD_PORT" default:"8480" help:"Loopback port. It is part of hosts, ids and handles here."`
	Reset bool   `help:"Start over: forget everything that earlier runs left."`
}

// world is what localserve and demo run: instances that share nothing but HTTP and a clock.
type world struct {
	port      uint16
	clock     *turnedClock
	instances []*instance // a, b, c
	cluster   *cluster
	listener  net.Listener
	closing   []func()
	turning   sync.Mutex
}

// worldInstances are the three: c lets people receive who don't give.
var worldInstances = []struct{ letter, name, reciprocity string }{
	{"a", "Auroria", ledger.ReciprocityRequired},
	{"b", "Borealis", ledger.ReciprocityRequired},
	{"c", "Cumulus", ledger.ReciprocityOff},
}

func worldHost(letter string, port uint16) string {
	return fmt.Sprintf("%s.localhost:%d", letter, port)
}

// Run starts the world, seeds it, prints where to go, and serves until told to stop.
func (c localserveCommand) Run(ctx context.Context, d *Database) error {
	w, err := newWorld(ctx, d, c.Port, c.Reset)
	if err != nil {
		return err
	}
	defer w.close()
	s, err := w.seed(ctx)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return w.serve(ctx, func() { s.print(os.Stdout, w) }, byHost{"blog.localhost": s.blog(w)})
}

// newWorld opens the port first: a busy one is the commonest mistake and is said at once.
func newWorld(ctx context.Context, d *Database, port uint16, reset bool) (*world, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use: stop what uses it, or choose another with --port", port)
	}
	if err != nil {
		return nil, err
	}
	w := &world{port: uint16(l.Addr().(*net.TCPAddr).Port), listener: l}
	w.closing = append(w.closing, func() { _ = l.Close() })
	if err := w.open(ctx, d, reset); err != nil {
		if reset && w.cluster != nil {
			w.dropAll(context.WithoutCancel(ctx)) // what isn't kept is not left half made either
		}
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) open(ctx context.Context, d *Database, reset bool) error {
	dir, err := d.dir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("data directory: %w; choose another with FLATTRD_DATA", err)
	}
	if w.cluster, err = d.open(ctx); err != nil {
		return err
	}
	w.closing = append(w.closing, w.cluster.stop)
	w.clock = &turnedClock{file: filepath.Join(dir, fmt.Sprintf("clock-%d", w.port))}
	if reset {
		if err := os.Remove(w.clock.file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, i := range worldInstances {
		if err := w.add(ctx, i.letter, i.name, i.reciprocity, reset); err != nil {
			return fmt.Errorf("instance %s: %w", i.letter, err)
		}
	}
	return nil
}

// add opens one instance on its own database. The port is part of its host, so each port has
// databases of its own.
func (w *world) add(ctx context.Context, letter, name, reciprocity string, reset bool) error {
	database := fmt.Sprintf("flattrd_%s_%d", letter, w.port)
	if reset {
		if err := migrations.DropDatabase(ctx, w.cluster.admin, database); err != nil {
			return err
		}
	}
	pool, err := w.cluster.pool(ctx, database)
	if err != nil {
		return err
	}
	w.closing = append(w.closing, pool.Close)
	host := worldHost(letter, w.port)
	i, err := newInstance(ctx, parts{pool: pool, now: w.clock.Now, client: w.client(), web: vocab.Web{AllowHTTP: true},
		inst: ledger.Instance{Host: host, BaseURL: "http://" + host, Name: name, Currency: "EUR",
			Reciprocity: reciprocity, GraceSeconds: 86400, Payto: "payto://iban/" + ibans[letter] + "?receiver-name=" + name},
		payIn: name + "\n" + ibans[letter] + "\nPlay money: the operator records any deposit",
		test:  &web.TestMode{CloseMonth: w.closeMonth, Turn: w.turn}})
	if err != nil {
		return err
	}
	w.instances = append(w.instances, i)
	return nil
}

// ibans are examples of banks' own documentation; no money moves here.
var ibans = map[string]string{"a": "DE75512108001245126199", "b": "AT611904300234573201", "c": "NL91ABNA0417164300"}

// client reaches loopback only, whatever the name below localhost says.
func (w *world) client() *guard.Client {
	loopback := netip.MustParseAddr("127.0.0.1")
	return guard.New(guard.Config{UserAgent: "flattrd/" + version, AllowHTTP: true,
		Allow: []netip.Prefix{netip.PrefixFrom(loopback, 32)},
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			return []netip.Addr{loopback}, nil
		}})
}

func (w *world) close() {
	for i := len(w.closing) - 1; i >= 0; i-- {
		w.closing[i]()
	}
}

// serve runs listener and workers until ctx ends; ready is called once both run.
func (w *world) serve(ctx context.Context, ready func(), more byHost) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w.cluster.watch(ctx, cancel)
	hosts := byHost{fmt.Sprintf("localhost:%d", w.port): http.HandlerFunc(w.index)}
	for host, h := range more {
		hosts[fmt.Sprintf("%s:%d", host, w.port)] = h
	}
	worked := make(chan error, len(w.instances))
	for _, i := range w.instances {
		hosts[i.ledger.Instance().Host] = i.handler
		go func() { worked <- i.workOr(ctx, cancel) }()
	}
	go ready()
	err := serveHTTP(ctx, w.listener, hosts)
	cancel(err)
	for range w.instances {
		err = cmp.Or(err, <-worked)
	}
	return w.cluster.blame(cmp.Or(unlessDone(context.Cause(ctx)), err))
}

// index says where everything is.
func (w *world) index(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(rw, "<!doctype html><meta charset=utf-8><title>flattrd localserve</title><h1>flattrd localserve</h1><ul>")
	for _, letter := range []string{"blog", "a", "b", "c"} {
		host := worldHost(letter, w.port)
		_, _ = fmt.Fprintf(rw, `<li><a href="http://%s/">%s</a>`, host, host)
	}
}

// turn moves the clock of all instances on and does what is due then.
func (w *world) turn(ctx context.Context, by time.Duration) error {
	w.turning.Lock()
	defer w.turning.Unlock()
	if err := w.clock.Turn(by); err != nil {
		return err
	}
	for _, i := range w.instances {
		if err := i.ledger.Tick(ctx); err != nil {
			return err
		}
	}
	return nil
}

// closeMonth turns the clock to the end of the month that it is in.
func (w *world) closeMonth(ctx context.Context) error {
	now := w.clock.Now()
	return w.turn(ctx, ledger.PeriodEnd(ledger.PeriodOf(now)).Sub(now)+time.Second)
}

// leaveMonthEnd turns a clock that is about to leave its month into the next one, so that a play of
// minutes has one month.
func (w *world) leaveMonthEnd(ctx context.Context) error {
	now := w.clock.Now()
	if left := ledger.PeriodEnd(ledger.PeriodOf(now)).Sub(now); left < time.Hour {
		return w.turn(ctx, left+time.Second)
	}
	return nil
}

// dropAll removes the databases of a world that is over.
func (w *world) dropAll(ctx context.Context) {
	for _, i := range w.instances {
		i.pool.Close()
	}
	for _, i := range worldInstances {
		name := fmt.Sprintf("flattrd_%s_%d", i.letter, w.port)
		if err := migrations.DropDatabase(ctx, w.cluster.admin, name); err != nil {
			fmt.Fprintln(os.Stderr, "flattrd: drop", name, err)
		}
	}
	_ = os.Remove(w.clock.file)
}
