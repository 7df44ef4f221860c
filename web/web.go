package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger"
)

// Config is what the site needs from outside.
type Config struct {
	Ledger   *ledger.Ledger
	Resolver Resolver
	Pool     *pgxpool.Pool // for the sessions
	Log      *slog.Logger  // nil means slog.Default()

	// PayIn tells givers where to send money: the account's holder, IBAN and bank, one a line.
	// Empty: the instance's own account (Instance.Payto); without that the pages say to ask.
	PayIn string

	// Test is set in test instances only: http, hosts below .localhost, and a clock that is turned.
	Test *TestMode

	// Fingerprint is a peer's accounting key as two operators compare it over the phone, made from its
	// Multikey; nil shows the Multikey itself.
	Fingerprint func(multikey string) string
	// OwnFingerprint is that of the instance's own accounting key; nil shows none.
	OwnFingerprint func(context.Context) (string, error)
	// Evidence finds the signed documents that are kept of claims and payments, by their ids; nil finds none.
	Evidence func(ctx context.Context, ids []string) ([]Evidence, error)

	// ClientIP is who is counted by the rate limits; nil means the connection's address. Behind a
	// proxy the caller must take it from what that proxy sets.
	ClientIP func(*http.Request) string
}

// TestMode lets people of a test instance turn its clock from the banner on every page.
type TestMode struct {
	CloseMonth func(ctx context.Context) error                   // ends the month now
	Turn       func(ctx context.Context, by time.Duration) error // moves the clock on
}

// Resolver is what the site asks of other instances. Both calls go over the network, never inside a
// transaction, and each has its own time limit.
type Resolver interface {
	// ResolveThing fetches the button behind an IRI and stores it in the ledger.
	// Errors: ledger.ErrNotFound when there is nothing flattrable, ErrUnreachable.
	ResolveThing(ctx context.Context, iri string) (ledger.Thing, error)

	// FindHome asks a home, given as a handle or a host, for its flattr intent (protocol §6.4).
	// The template holds {object}, {on-success} and {on-cancel}; home is the host that serves it.
	// A template may come from a memory of up to a day. Errors: ErrUnknownHandle, ErrNoFlattr,
	// ErrUnreachable.
	FindHome(ctx context.Context, handleOrHost string) (intentTemplate, home string, err error)
}

// What a Resolver's errors wrap, so that the pages can say what is wrong.
var (
	// ErrUnknownHandle: the host answers, but doesn't know that person.
	ErrUnknownHandle = errors.New("no such handle")
	// ErrNoFlattr: the host answers, but doesn't speak the flattr protocol.
	ErrNoFlattr = errors.New("speaks no flattr")
	// ErrUnreachable: the host doesn't answer, or not in time.
	ErrUnreachable = errors.New("unreachable")
)

// Site is the http.Handler of all pages.
type Site struct {
	ledger   *ledger.Ledger
	resolver Resolver
	pool     *pgxpool.Pool
	log      *slog.Logger
	payIn    []string
	test     *TestMode
	clientIP func(*http.Request) string

	fingerprint    func(multikey string) string
	ownFingerprint func(context.Context) (string, error)
	evidence       func(ctx context.Context, ids []string) ([]Evidence, error)

	sessions *scs.SessionManager
	words    map[string]*speech
	pages    map[string]pageSet // by language
	assets   assets
	limits   limits
	hashing  chan struct{} // bounds the memory that argon2id takes at once
	table    []route
	router   chi.Routes // finds what of the table answers a path
	handler  http.Handler
}

// New builds the site. It fails only on a fault of the program: a template or a locale that doesn't
// parse.
func New(c Config) (*Site, error) {
	s := &Site{ledger: c.Ledger, resolver: c.Resolver, pool: c.Pool, log: c.Log,
		payIn: lines(c.PayIn), test: c.Test, clientIP: c.ClientIP, limits: newLimits(),
		fingerprint: c.Fingerprint, ownFingerprint: c.OwnFingerprint, evidence: c.Evidence, hashing: make(chan struct{}, hashesAtOnce)}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.clientIP == nil {
		s.clientIP = connectionIP
	}
	if s.fingerprint == nil {
		s.fingerprint = func(multikey string) string { return multikey }
	}
	var err error
	if s.words, err = loadSpeech(); err != nil {
		return nil, fmt.Errorf("locales: %w", err)
	}
	if s.assets, err = loadAssets(); err != nil {
		return nil, fmt.Errorf("static files: %w", err)
	}
	if s.pages, err = s.parsePages(); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	s.sessions = s.newSessions()
	s.handler = s.mount()
	return s, nil
}

func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }
