package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/httprate"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/web"
)

// instance is one running instance: its books, what other servers see, and its pages.
type instance struct {
	ledger  *ledger.Ledger
	fed     *federation.Server
	handler http.Handler
	pool    *pgxpool.Pool
}

// parts are what an instance is wired from.
type parts struct {
	pool      *pgxpool.Pool
	inst      ledger.Instance
	now       func() time.Time
	client    *guard.Client
	web       vocab.Web
	test      *web.TestMode
	payIn     string
	noNetting bool
}

// newInstance creates the instance's row if the database is new, plugs everything together, and holds what waits for
// statements to be compared: before anybody can ask, because an operator's page signs things, too.
func newInstance(ctx context.Context, p parts) (*instance, error) {
	log := slog.Default()
	if err := ledger.Create(ctx, p.pool, p.inst, p.now().UTC()); err != nil {
		return nil, err
	}
	outbox, err := federation.NewOutbox(p.pool, log)
	if err != nil {
		return nil, err
	}
	books, err := ledger.Open(ctx, ledger.Options{Pool: p.pool, Now: p.now, Outbox: outbox, Log: log, NoNetting: p.noNetting})
	if err != nil {
		return nil, err
	}
	fed := federation.New(federation.Config{Ledger: books, Pool: p.pool, Client: p.client, Web: p.web,
		Log: log, Version: version})
	site, err := web.New(web.Config{Ledger: books, Resolver: resolver{fed}, Pool: p.pool, Log: log,
		PayIn: p.payIn, Test: p.test, ClientIP: clientIP,
		Fingerprint: federation.Fingerprint, OwnFingerprint: fed.AccountingFingerprint,
		Evidence: func(ctx context.Context, ids []string) ([]web.Evidence, error) {
			kept, err := federation.EvidenceOf(ctx, p.pool, ids)
			all := make([]web.Evidence, len(kept))
			for i, k := range kept {
				all[i] = web.Evidence{ID: k.ID, Sent: k.Sent, Kept: k.CreatedAt}
			}
			return all, err
		}})
	if err != nil {
		return nil, err
	}
	return &instance{ledger: books, fed: fed, handler: fed.Handler(site), pool: p.pool}, fed.Start(ctx)
}

// work delivers and turns months until ctx ends.
func (i *instance) work(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- i.fed.Work(ctx) }()
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	i.tick(ctx) // what fell due while nothing ran, or was interrupted
	for {
		select {
		case err := <-failed:
			return err
		case <-ticks.C:
			if ctx.Err() == nil {
				i.tick(ctx)
			}
		}
	}
}

// workOr works, and cancels the context with the reason if it can't: an instance that takes clicks and
// delivers nothing must not look alive. Being stopped while it still starts is no failure.
func (i *instance) workOr(ctx context.Context, cancel context.CancelCauseFunc) error {
	err := i.work(ctx)
	if ctx.Err() != nil {
		return unlessDone(err)
	}
	if err != nil {
		cancel(fmt.Errorf("%s: %w", i.ledger.Instance().Host, err))
	}
	return err
}

// tick does what is due. A failure is logged and tried again with the next tick.
func (i *instance) tick(ctx context.Context) {
	if err := i.ledger.Tick(ctx); err != nil && ctx.Err() == nil {
		slog.ErrorContext(ctx, "month.tick", "code", "month.tick", "instance", i.ledger.Instance().Host, "error", err)
	}
}

// resolver is what the pages ask of other instances, with federation's errors said in web's words.
type resolver struct{ fed *federation.Server }

// ResolveThing implements web.Resolver.
func (r resolver) ResolveThing(ctx context.Context, iri string) (ledger.Thing, error) {
	t, err := r.fed.ResolveThing(ctx, iri)
	return t, inWebWords(err)
}

// FindHome implements web.Resolver.
func (r resolver) FindHome(ctx context.Context, handle string) (template, home string, err error) {
	template, home, err = r.fed.FindHome(ctx, handle)
	return template, home, inWebWords(err)
}

func inWebWords(err error) error {
	for from, to := range map[error]error{federation.ErrUnknownHandle: web.ErrUnknownHandle,
		federation.ErrNoFlattr: web.ErrNoFlattr, federation.ErrUnreachable: web.ErrUnreachable} {
		if errors.Is(err, from) {
			return fmt.Errorf("%w: %w", to, err)
		}
	}
	return err
}

// clientIP is who is counted by the pages' limits. Behind a proxy on this machine, which is how serve
// is run, that is the last address that the proxy wrote into X-Forwarded-For; from anywhere else the
// header says what its sender likes and isn't read. IPv6 counts by its /64.
func clientIP(r *http.Request) string {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	if ip := net.ParseIP(peer); ip != nil && ip.IsLoopback() {
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if last := strings.TrimSpace(hops[len(hops)-1]); net.ParseIP(last) != nil {
			peer = last
		}
	}
	return httprate.CanonicalizeIP(peer)
}

// byHost serves several hosts on one listener. A host that is none of them gets 421.
type byHost map[string]http.Handler

func (b byHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, ok := b[strings.ToLower(r.Host)]
	if !ok {
		http.Error(w, "This server doesn't serve "+r.Host+".", http.StatusMisdirectedRequest)
		return
	}
	h.ServeHTTP(w, r)
}
