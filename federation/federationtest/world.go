package federationtest

import (
	"context"
	"errors"
	"fmt"

	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// Port is in the name of every host of every world, so that ids are the same from run to run: the last
// micro-unit of a split is decided by a hash over them. What tells worlds apart is their address.
const Port = 28480

// HostName is how a world's instances call the one named name.
func HostName(name string) string { return fmt.Sprintf("%s.localhost:%d", name, Port) }

// Host is an instance to be made.
type Host struct {
	Name        string // "a" becomes a.localhost:Port
	Reciprocity string // ledger.ReciprocityOff if ""
	Funding     string // ledger.FundingPrepaid if ""
	Options     []func(*ledger.Options)
}

// World is instances that share nothing but HTTP and a clock.
type World struct {
	Clock   *ledgertest.Clock
	Network *Network

	t         testing.TB
	instances []*Instance
	handlers  sync.Map // http.Handler by host: hosts come while others are served
	address   netip.Addr
	server    *http.Server
	log       *slog.Logger
}

// Instance is one instance of a world.
type Instance struct {
	*ledgertest.Instance
	Name    string // as in Host
	Server  *federation.Server
	Handler http.Handler
}

// New makes a world on ledgertest.Start and closes it when the test ends.
func New(t testing.TB, weather Weather, hosts ...Host) *World {
	t.Helper()
	listener, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	w := &World{t: t, Clock: ledgertest.NewClock(ledgertest.Start),
		address: listener.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap(), log: slog.New(slog.DiscardHandler)}
	w.Network = newNetwork(w, weather)
	w.server = &http.Server{Handler: w.Network.faulty(http.HandlerFunc(w.serve)), ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelError)}
	go func() { _ = w.server.Serve(listener) }()
	t.Cleanup(w.Close)
	for _, h := range hosts {
		w.add(h)
	}
	return w
}

// Close stops serving; the databases stay until the test ends.
func (w *World) Close() { _ = w.server.Close() }

// add makes an instance.
func (w *World) add(h Host) {
	w.t.Helper()
	host := HostName(h.Name)
	inst := ledger.Instance{Host: host, BaseURL: "http://" + host, Name: h.Name, Currency: "EUR",
		Reciprocity: h.Reciprocity, Funding: h.Funding, GraceSeconds: 86400, Payto: "payto://iban/DE75512108001245126199"}
	if inst.Reciprocity == "" {
		inst.Reciprocity = ledger.ReciprocityOff
	}
	i := &Instance{Name: h.Name, Instance: ledgertest.NewOn(w.t, ledgertest.DB(w.t), inst, w.Clock, h.Options...)}
	i.Outbox.Archive = federation.Archive{}
	w.must(giveKey(context.Background(), i.Pool, inst.ActorIRI(), w.Clock.Now()))
	w.serveOn(i)
	w.must(i.Server.Start(context.Background()))
	w.givesWay(i)
	w.instances = append(w.instances, i)
}

func (w *World) givesWay(i *Instance) {
	if n := w.Network.weather.GiveWay; n > 0 {
		_, err := i.Pool.Exec(context.Background(), fmt.Sprintf(giveWay, n))
		w.must(err)
	}
}

// again does what may give way until it doesn't.
func again(do func() error) error {
	err := do()
	for ledger.GaveWay(err) {
		err = do()
	}
	return err
}

// giveWay has a database abort one of n transactions that write about flattrs or money, at its commit, as PostgreSQL
// does with one of two that meet. What is tried again has another number, and a hash of it decides, since tries that use up
// the same count of numbers would all be aborted. A settlement's own row tells its progress by single statements and is left out.
const giveWay = `
	create function give_way() returns trigger language plpgsql as $$ begin
	  if abs(hashint8(txid_current())::bigint) %% %d = 0 then raise exception 'met another' using errcode = '40001'; end if;
	  return null; end $$;
	do $$ declare t text; begin
	  foreach t in array array['flattr', 'received_flattr', 'tombstone', 'month', 'reservation', 'earning',
	      'claim', 'claim_line', 'share_return', 'payment', 'payment_allocation', 'line_allocation', 'line_advance', 'deposit',
	      'withdrawal', 'departure', 'donation', 'member', 'account'] loop
	    execute format('create constraint trigger give_way after insert or update or delete on %%I
	      deferrable initially deferred for each row execute function give_way()', t);
	  end loop; end $$`

// At is the instance with this name.
func (w *World) At(name string) *Instance {
	w.t.Helper()
	for _, i := range w.instances {
		if i.Name == name {
			return i
		}
	}
	w.t.Fatalf("no instance %q", name)
	return nil
}

// at is the instance that a message is for, by an actor or the host; nil if it is none of the world's.
func (w *World) at(recipient string) *Instance {
	_, rest, found := strings.Cut(recipient, "://")
	if !found {
		rest = recipient
	}
	host, _, _ := strings.Cut(rest, "/")
	for _, i := range w.instances {
		if i.Ledger.Instance().Host == host {
			return i
		}
	}
	return nil
}

// Instances are all, in the order in which they were made.
func (w *World) Instances() []*Instance { return w.instances }

// Serve lets something else answer for a host of this world: a server of other software.
func (w *World) Serve(host string, h http.Handler) { w.handlers.Store(host, h) }

func (w *World) serve(rw http.ResponseWriter, r *http.Request) {
	h, ok := w.handlers.Load(strings.ToLower(r.Host))
	if !ok {
		http.Error(rw, "no such host", http.StatusMisdirectedRequest)
		return
	}
	h.(http.Handler).ServeHTTP(rw, r)
}

// Log is where the instances log.
func (w *World) Log() *slog.Logger { return w.log }

// Client makes requests as an instance of this world would: whatever the name, it is reached here.
func (w *World) Client() *guard.Client {
	return guard.New(guard.Config{UserAgent: "flattrd/test", AllowHTTP: true,
		Allow:   []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Resolve: func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{w.address}, nil }})
}

// Tick does on every instance what the clock says is due.
func (w *World) Tick() {
	w.t.Helper()
	for _, i := range w.instances {
		w.must(i.Tick(context.Background()))
		w.Network.collect(i)
	}
	w.Network.deliverDue()
}

// Turn turns the clock to at, and delivers on the way what is due.
func (w *World) Turn(at time.Time) {
	w.t.Helper()
	w.Network.until(at)
}

// Quiet delivers what is on its way, whenever it was due, until nobody has anything to tell.
func (w *World) Quiet() {
	w.t.Helper()
	w.Network.quiet()
}

// Calm delivers for an hour what can be, in any order that the weather allows; what waits for something else goes on
// waiting.
func (w *World) Calm() {
	w.t.Helper()
	for range 12 {
		w.Network.sweep()
		w.Clock.Set(w.Clock.Now().Add(5 * time.Minute))
	}
}

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// next is where to look for a free address first.
var next atomic.Uint32

// listen takes the first address of 127.0.0.0/8 on which Port is free. Systems that know only 127.0.0.1
// let one world wait for the other.
func listen() (net.Listener, error) {
	var err error
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for range 500 {
			n := next.Add(1)
			address := netip.AddrFrom4([4]byte{127, 0, byte(n / 250 % 250), byte(n%250 + 1)})
			var l net.Listener
			if l, err = net.Listen("tcp", netip.AddrPortFrom(address, Port).String()); err == nil {
				return l, nil
			}
			if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
				return nil, err
			}
		}
	}
	return nil, err
}
