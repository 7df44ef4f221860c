package federation

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// Config is what a Server needs.
type Config struct {
	Ledger  *ledger.Ledger
	Pool    *pgxpool.Pool
	Client  *guard.Client // for everything that goes out
	Web     vocab.Web     // which addresses exist: https only, unless test hosts are let in
	Log     *slog.Logger
	Version string // of the program, for NodeInfo and User-Agent
}

// Server is an instance as other servers see it.
type Server struct {
	ledger  *ledger.Ledger
	pool    *pgxpool.Pool
	client  *guard.Client
	web     vocab.Web
	log     *slog.Logger
	version string
	inst    ledger.Instance

	mu   sync.Mutex
	keys map[keyName]signature.PrivateKey // of our actors, once read

	large   chan []byte // buffers for large messages
	lookups lookups     // what came of fetching others' keys
	hosts   *hosts      // that are being told something, or don't answer
	senders *senders    // whose messages are being taken

	currencies currencies // which hosts take ours

	queue func() (*Outbox, error) // for jobs of our own
}

// New makes a Server. It does nothing by itself: Handler serves, Work delivers.
func New(c Config) *Server {
	s := &Server{ledger: c.Ledger, pool: c.Pool, client: c.Client, web: c.Web, log: c.Log, version: c.Version,
		inst: c.Ledger.Instance(), keys: map[keyName]signature.PrivateKey{}, large: largeBuffers(),
		lookups: lookups{now: c.Ledger.Now}, hosts: newHosts(time.Now), senders: newSenders(int(c.Pool.Config().MaxConns))}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.client.SignWith(s.signGet)
	s.queue = sync.OnceValues(func() (*Outbox, error) { return NewOutbox(s.pool, s.log) })
	return s
}

// Start makes the instance's keys, so that no backup is without them, and has everything held that waits for
// statements to be compared (ledger.Started). To call before anything is delivered or settled, and before anybody can ask for
// something to be signed.
func (s *Server) Start(ctx context.Context) error {
	me := s.inst.ActorIRI()
	for _, n := range []keyName{rsaKey(me), edKey(me)} {
		if _, err := s.key(ctx, n); err != nil {
			return err
		}
	}
	if _, err := s.moneyKey(ctx); err != nil {
		return err
	}
	return s.ledger.Started(ctx)
}

// signGet signs what is fetched, as the instance: servers with authorised fetch answer nobody else.
func (s *Server) signGet(r *http.Request) error {
	key, err := s.key(r.Context(), rsaKey(s.inst.ActorIRI()))
	if err != nil {
		return err
	}
	return signature.SignCavage(r, nil, key, s.ledger.Now())
}

// event logs one refusal or fault as one structured event with a stable code.
func (s *Server) event(ctx context.Context, code string, args ...any) {
	s.log.WarnContext(ctx, code, append([]any{"code", code, "instance", s.inst.Host}, args...)...)
}
