package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/bojanz/currency"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/web"
)

// serveCommand runs one instance behind a proxy that ends TLS.
type serveCommand struct {
	Host        string        `env:"FLATTRD_HOST" required:"" help:"Domain of the instance. It is part of every id and can't change."`
	Name        string        `env:"FLATTRD_NAME" help:"Name people read. Default: the host."`
	Currency    string        `env:"FLATTRD_CURRENCY" default:"EUR" help:"ISO 4217 currency of the books."`
	Reciprocity string        `env:"FLATTRD_RECIPROCITY" default:"required" enum:"off,required,minimum" help:"Whether only those who give may receive: off, required, or minimum: who gives at least so much."`
	Minimum     string        `name:"reciprocity-minimum" env:"FLATTRD_RECIPROCITY_MINIMUM" help:"What a payee's budget of the month must be at least, such as 2.00; only with --reciprocity=minimum."`
	Unused      string        `env:"FLATTRD_UNUSED" default:"rollover" enum:"rollover,cause" help:"What becomes of a budget that no flattr took a share of: rollover or cause. Holds for months that open from now on."`
	Funding     string        `env:"FLATTRD_FUNDING" default:"prepaid" enum:"prepaid,pledge" help:"Whether budgets are paid before they count, or promised and paid after the month: prepaid or pledge. Holds for months that open from now on."`
	Cause       string        `env:"FLATTRD_CAUSE" help:"Name of the instance's cause, which gets what nobody else can."`
	Grace       time.Duration `env:"FLATTRD_GRACE" default:"24h" help:"From a month's end to its settlement; at least 24h."`
	Unclaimed   int32         `name:"unclaimed-months" env:"FLATTRD_UNCLAIMED_MONTHS" default:"12" help:"For how many months a flattr waits for somebody who can be paid; 1 to 120."`
	NoNetting   bool          `env:"FLATTRD_NO_NETTING" help:"Have all that is owed paid by bank, even where both sides owe each other."`
	Payto       string        `env:"FLATTRD_PAYTO" help:"payto: address (RFC 8905) that other instances pay to."`
	PayIn       string        `env:"FLATTRD_PAY_IN" help:"What givers are told about paying in: holder, IBAN, bank; one a line."`
	Listen      string        `env:"FLATTRD_LISTEN" default:"127.0.0.1:8080" help:"Address to listen on, behind a proxy that ends TLS."`
	Hooks       testHooks     `embed:"" prefix:"test-"`
}

// testHooks open what a real instance keeps shut. Serve refuses them unless FLATTRD_TEST is 1.
type testHooks struct {
	On      bool           `name:"mode" env:"FLATTRD_TEST" hidden:""`
	HTTP    bool           `env:"FLATTRD_TEST_HTTP" hidden:""`
	Clock   string         `env:"FLATTRD_TEST_CLOCK" hidden:""`
	Resolve string         `env:"FLATTRD_TEST_RESOLVE" hidden:""`
	Allow   []netip.Prefix `env:"FLATTRD_TEST_ALLOW" hidden:""`
	CA      string         `env:"FLATTRD_TEST_CA" hidden:""`
}

// check refuses a hook that is set by accident: each is a hole in a real instance.
func (h testHooks) check() error {
	if h.On {
		return nil
	}
	for name, set := range map[string]bool{"FLATTRD_TEST_HTTP": h.HTTP, "FLATTRD_TEST_CLOCK": h.Clock != "",
		"FLATTRD_TEST_RESOLVE": h.Resolve != "", "FLATTRD_TEST_ALLOW": len(h.Allow) > 0, "FLATTRD_TEST_CA": h.CA != ""} {
		if set {
			return fmt.Errorf("%s is a hook for tests and is refused without FLATTRD_TEST=1", name)
		}
	}
	return nil
}

// client is the guarded client, with whatever hooks are on.
func (h testHooks) client() (*guard.Client, error) {
	c := guard.Config{UserAgent: "flattrd/" + version, AllowHTTP: h.HTTP, Allow: h.Allow}
	if server, ok := strings.CutPrefix(h.Resolve, "dns://"); ok {
		c.Resolve = resolveAt(server)
	} else if h.Resolve != "" {
		table, err := resolveTable(h.Resolve)
		if err != nil {
			return nil, err
		}
		c.Resolve = table
	}
	if h.CA != "" {
		pem, err := os.ReadFile(h.CA)
		if err != nil {
			return nil, fmt.Errorf("FLATTRD_TEST_CA: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("FLATTRD_TEST_CA: no certificate in the file")
		}
	}
	return guard.New(c), nil
}

// resolveTable reads "host=ip,host=ip"; "*.suffix" stands for every host below it. A host that
// isn't named doesn't exist.
func resolveTable(text string) (func(context.Context, string) ([]netip.Addr, error), error) {
	table := map[string][]netip.Addr{}
	for _, pair := range strings.Split(text, ",") {
		host, ip, _ := strings.Cut(strings.TrimSpace(pair), "=")
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			return nil, fmt.Errorf("FLATTRD_TEST_RESOLVE: %q: %w", pair, err)
		}
		table[host] = append(table[host], addr)
	}
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		for name := host; ; {
			if found := table[name]; found != nil {
				return found, nil
			}
			_, parent, ok := strings.Cut(strings.TrimPrefix(name, "*."), ".")
			if !ok {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
			name = "*." + parent
		}
	}, nil
}

// resolveAt asks a test's own name server, which may answer differently each time.
func resolveAt(server string) func(context.Context, string) ([]netip.Addr, error) {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server)
	}}
	return func(ctx context.Context, host string) ([]netip.Addr, error) {
		return resolver.LookupNetIP(ctx, "ip", host)
	}
}

func (h testHooks) now() func() time.Time {
	if h.Clock == "" {
		return time.Now
	}
	return (&turnedClock{file: h.Clock}).Now
}

// mode has the pages of an instance that is reached by http and whose clock is turned be those of a test instance: links
// and handles of others like it are such as people can type.
func (h testHooks) mode() *web.TestMode {
	if !h.HTTP || h.Clock == "" {
		return nil
	}
	clock := &turnedClock{file: h.Clock}
	return &web.TestMode{
		CloseMonth: func(context.Context) error {
			now := clock.Now()
			return clock.Turn(ledger.PeriodEnd(ledger.PeriodOf(now)).Sub(now) + time.Second)
		},
		Turn: func(_ context.Context, by time.Duration) error { return clock.Turn(by) }}
}

// Run serves until it is told to stop.
func (c serveCommand) Run(ctx context.Context, d *Database) error {
	if err := c.Hooks.check(); err != nil {
		return err
	}
	inst, err := c.instance()
	if err != nil {
		return err
	}
	client, err := c.Hooks.client()
	if err != nil {
		return err
	}
	db, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer db.stop()
	pool, err := db.pool(ctx, d.single())
	if err != nil {
		return err
	}
	defer pool.Close()
	i, err := newInstance(ctx, parts{pool: pool, inst: inst, now: c.Hooks.now(), client: client,
		web: vocab.Web{AllowHTTP: c.Hooks.HTTP}, test: c.Hooks.mode(), payIn: c.PayIn, noNetting: c.NoNetting})
	if err != nil {
		return err
	}
	return c.serve(ctx, db, i)
}

// paytoAddress is what others take for an address (RFC 8905 §3); another one would stop their payments.
var paytoAddress = regexp.MustCompile(`^payto://[a-z][a-z0-9-]*/[!-~]+$`)

func (c serveCommand) instance() (ledger.Instance, error) {
	scheme := "https"
	if c.Hooks.HTTP {
		scheme = "http"
	}
	base := scheme + "://" + strings.ToLower(c.Host)
	host, err := vocab.Web{AllowHTTP: c.Hooks.HTTP}.Host(base + "/")
	if err != nil || base != scheme+"://"+host {
		return ledger.Instance{}, fmt.Errorf("--host: %q is no domain name", c.Host)
	}
	if c.Grace < 24*time.Hour {
		return ledger.Instance{}, errors.New("--grace: at least 24h, so that the others' final answers can land")
	}
	if digits, known := currency.GetDigits(c.Currency); !known || digits != 2 {
		return ledger.Instance{}, fmt.Errorf("--currency: %q is no ISO 4217 code of a currency with cents, such as EUR", c.Currency)
	}
	if c.Unclaimed < 1 || c.Unclaimed > 120 {
		return ledger.Instance{}, errors.New("--unclaimed-months: from 1 to 120")
	}
	if c.Payto != "" && !paytoAddress.MatchString(c.Payto) {
		return ledger.Instance{}, fmt.Errorf("--payto: %q isn't of the form payto://iban/DE75512108001245126199 (RFC 8905)", c.Payto)
	}
	name := c.Name
	if name == "" {
		name = host
	}
	least, err := c.minimum()
	if err != nil {
		return ledger.Instance{}, err
	}
	return ledger.Instance{Host: host, BaseURL: base, Name: name, Currency: c.Currency, Reciprocity: c.Reciprocity,
		Minimum: least, Unused: c.Unused, Funding: c.Funding, Cause: c.Cause, UnclaimedMonths: c.Unclaimed,
		GraceSeconds: int32(c.Grace / time.Second), Payto: c.Payto}, nil
}

// minimum is what a payee must give at least, where that is the policy.
func (c serveCommand) minimum() (int64, error) {
	if (c.Reciprocity == ledger.ReciprocityMinimum) != (c.Minimum != "") {
		return 0, errors.New("--reciprocity-minimum: goes with --reciprocity=minimum, and with nothing else")
	}
	if c.Minimum == "" {
		return 0, nil
	}
	least, err := ledger.ParseAmount("reciprocity-minimum", c.Minimum)
	if err != nil || least == 0 {
		return 0, fmt.Errorf("--reciprocity-minimum: %q is no amount above nothing, such as 2.00", c.Minimum)
	}
	return least, nil
}

// serve listens and works until ctx ends or the private database does.
func (c serveCommand) serve(ctx context.Context, db *cluster, i *instance) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	db.watch(ctx, cancel)
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	slog.Info("serve.ready", "code", "serve.ready", "instance", i.ledger.Instance().Host, "listen", l.Addr().String())
	worked := make(chan error, 1)
	go func() { worked <- i.workOr(ctx, cancel) }()
	err = serveHTTP(ctx, l, byHost{i.ledger.Instance().Host: i.handler})
	cancel(err)
	err = cmp.Or(err, <-worked)
	return db.blame(cmp.Or(unlessDone(context.Cause(ctx)), err))
}

func unlessDone(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serveHTTP serves until ctx ends, then lets requests under way finish. The limits are those that an
// open port on the internet needs.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(graceful)
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
