package federation_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/federation/federationtest"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// atMost is how many functions of ours stand between an inbox and its statements.
const atMost = 5

// depths is a tracer that notes, for each statement made on behalf of an inbox, which functions of ours
// stand on the stack: from the inbox's handler, which counts, to whoever calls the driver. Every frame of
// this module counts, of helpers, generic functions and closures too. Router and middleware stand above
// the handler; the driver and the queue are others' code.
type depths struct {
	mu      sync.Mutex
	about   string              // the activity under way
	count   map[string]int      // statements, by activity
	deepest map[string][]string // the longest stack, by activity
	seen    map[string]bool     // stacks that are too deep
}

func (d *depths) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	d.note(q.SQL)
	return ctx
}
func (d *depths) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (d *depths) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	d.note("batch")
	return ctx
}
func (d *depths) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (d *depths) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

func (d *depths) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, c pgx.TraceCopyFromStartData) context.Context {
	d.note("copy " + strings.Join(c.TableName, "."))
	return ctx
}
func (d *depths) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

func (d *depths) note(sql string) {
	stack := ourStack()
	if stack == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count[d.about]++
	if len(stack) > len(d.deepest[d.about]) {
		d.deepest[d.about] = stack
	}
	if len(stack) > atMost {
		d.seen[fmt.Sprintf("%s: %s: %.60s", d.about, strings.Join(stack, " > "), strings.Join(strings.Fields(sql), " "))] = true
	}
}

// ourStack is the functions of this module from the inbox to the caller of the driver, outermost first;
// nil if there is no inbox on the stack.
func ourStack() []string {
	const module, inbox = "github.com/fedflattr/flattrd/", "federation.(*Server).inbox"
	var pcs [256]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var stack []string
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		name, ours := strings.CutPrefix(f.Function, module)
		if !ours || strings.HasPrefix(name, "federation_test.") || strings.Contains(name, "federation/federationtest.") ||
			strings.HasPrefix(name, "ledger/journal.(*tx).") { // the driver's transaction, which sends BEGIN along
			continue
		}
		if stack = append(stack, name); name == inbox {
			slices.Reverse(stack)
			return stack
		}
	}
	return nil
}

// TestStackDepth: from an inbox's POST to each statement at most five functions of ours stand on the
// stack, for every kind of activity and every way in which it is taken.
func TestStackDepth(t *testing.T) {
	t.Parallel()
	s := newShallow(t)
	s.members()
	s.flattrs()
	s.claims()
	s.payments()
	s.conflict()
	for activity, stack := range s.deepest {
		t.Logf("%-36s %3d statements, at most %d functions: %s", activity, s.count[activity], len(stack), strings.Join(stack, " > "))
	}
	for deep := range s.seen {
		t.Error(deep)
	}
	if len(s.count) < 20 {
		t.Errorf("only %d kinds of activity were measured", len(s.count))
	}
}

// shallow is two instances; all that comes into b is measured, and what b tells goes into the real
// queue, as in production.
type shallow struct {
	*depths
	t    *testing.T
	w    *federationtest.World
	a    *federationtest.Instance
	b    *ledger.Ledger
	fed  *federation.Server // b's
	pool *pgxpool.Pool      // b's
	op   int64
	fan  *federationtest.Stranger

	alice, bob, carol, gone ledger.Member
	thing                   map[string]string // IRI, by owner
}

func newShallow(t *testing.T) *shallow {
	w := federationtest.New(t, federationtest.Weather{}, federationtest.Host{Name: "a", Reciprocity: ledger.ReciprocityRequired},
		federationtest.Host{Name: "b", Reciprocity: ledger.ReciprocityRequired})
	s := &shallow{t: t, w: w, a: w.At("a"), depths: &depths{count: map[string]int{}, deepest: map[string][]string{}, seen: map[string]bool{}}}
	config := w.At("b").Pool.Config().Copy()
	config.ConnConfig.Tracer = s.depths
	var err error
	s.pool, err = pgxpool.NewWithConfig(context.Background(), config)
	s.must(err)
	t.Cleanup(s.pool.Close)
	outbox, err := federation.NewOutbox(s.pool, nil)
	s.must(err)
	s.b, err = ledger.Open(context.Background(), ledger.Options{Pool: s.pool, Now: w.Clock.Now, Outbox: outbox})
	s.must(err)
	s.fed = federation.New(federation.Config{Ledger: s.b, Pool: s.pool, Client: w.Client(), Web: vocab.Web{AllowHTTP: true}, Log: w.Log()})
	w.Serve(s.b.Instance().Host, s.fed.Handler(http.NotFoundHandler()))
	s.op = w.At("b").Op.ID
	return s
}

func (s *shallow) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// tell lets a deliver what it has told, as the activity that is measured, and b what the queue holds.
func (s *shallow) tell(about string) {
	s.t.Helper()
	for _, m := range s.a.Outbox.Take(s.t) {
		s.deliver(s.a.Server, about, m)
	}
}

func (s *shallow) deliver(from *federation.Server, about string, m ledger.Message) {
	s.t.Helper()
	s.about = about
	if out, err := from.Deliver(context.Background(), m); err != nil {
		s.t.Fatalf("%s: %v %v", about, out, err)
	}
}

// answer lets b tell what its queue holds; what comes back from a isn't measured.
func (s *shallow) answer() {
	s.t.Helper()
	r, err := s.pool.Query(context.Background(), `
		delete from river_job where kind = 'deliver' returning args->>'what' as kind, args->>'key' as key, args->>'to' as to`)
	s.must(err)
	all, err := pgx.CollectRows(r, pgx.RowToStructByName[ledger.Message])
	s.must(err)
	for _, m := range all {
		s.deliver(s.fed, "", m)
	}
}

func (s *shallow) post(about string, body []byte, err error) {
	s.t.Helper()
	s.must(err)
	s.about = about
	if r := s.fan.Post(s.b.Instance().MemberIRI("bob")+"/inbox", body); r.StatusCode != http.StatusAccepted {
		s.t.Fatalf("%s: %s", about, r.Status)
	}
}

// members: who is new is fetched and stored; following.
func (s *shallow) members() {
	s.alice, s.bob = s.w.Member("a", "alice"), s.w.Member("b", "bob")
	s.carol, s.gone = s.w.Member("a", "carol"), s.w.Member("b", "gone")
	s.thing = map[string]string{}
	for host, owners := range map[string][]ledger.Member{"a": {s.alice, s.carol, s.w.Member("a", "dave")}, "b": {s.bob, s.gone, s.w.Member("b", "poor")}} {
		for _, m := range owners {
			s.thing[m.Name] = s.w.At(host).Ledger.Instance().ButtonIRI(s.w.Button(host, m, "1").ID)
		}
	}
	s.fan = s.w.Stranger("fan")
	follow := vocab.Follow{ID: s.fan.NewID(), Actor: s.fan.Actor, Object: s.b.Instance().MemberIRI("bob")}
	body, err := vocab.RenderFollow(follow)
	s.post("Follow of somebody new", body, err)
	s.post("Follow", body, err)
	s.about = "Undo of a Follow"
	if status := s.fan.Unfollow(follow.Object); status != "202 Accepted" {
		s.t.Fatal(status)
	}
	body, err = vocab.RenderCreatePage(s.fan.NewID(), vocab.Page{ID: s.fan.NewID(), Name: "post", URL: s.fan.Actor,
		AttributedTo: s.fan.Actor, Likes: s.fan.Actor + "/likes"})
	s.post("Create of a page", body, err)
	s.answer()
}

func (s *shallow) fund(l *ledger.Ledger, op int64, m ledger.Member, amount int64) {
	s.t.Helper()
	_, err := l.RecordDeposit(context.Background(), op, m.Name, amount, m.Name)
	s.must(err)
	s.must(l.SetBudget(context.Background(), m.ID, amount))
}

func (s *shallow) click(l *ledger.Ledger, fed *federation.Server, by ledger.Member, iri string) ledger.Flattr {
	s.t.Helper()
	s.about = ""
	thing, err := fed.ResolveThing(context.Background(), iri)
	s.must(err)
	f, _, err := l.Flattr(context.Background(), by.ID, thing.ID)
	s.must(err)
	return f
}

// flattrs both ways: a's come into b's inbox, and a's answers to b's. Who will leave gives all they
// have, so that they can.
func (s *shallow) flattrs() {
	ctx := context.Background()
	s.fund(s.a.Ledger, s.a.Op.ID, s.alice, 3_000_000)
	s.fund(s.a.Ledger, s.a.Op.ID, s.carol, 1_000_000)
	s.fund(s.b, s.op, s.bob, 2_000_000)
	s.fund(s.b, s.op, s.gone, 1_000_000)
	s.click(s.a.Ledger, s.a.Server, s.alice, s.thing["gone"])
	s.tell("Like of somebody new")
	s.click(s.a.Ledger, s.a.Server, s.alice, s.thing["poor"])
	s.tell("Like that is held")
	f := s.click(s.a.Ledger, s.a.Server, s.alice, s.thing["bob"])
	s.tell("Like")
	s.deliver(s.a.Server, "Like again", ledger.Message{Kind: ledger.TellLike, Key: f.ID.String(), To: s.b.Instance().MemberIRI("bob")})
	s.must(s.a.UndoFlattr(ctx, s.alice.ID, f.ID))
	s.tell("Undo of a Like")
	s.answer()
	f = s.click(s.a.Ledger, s.a.Server, s.alice, s.thing["bob"])
	told := s.a.Outbox.Take(s.t)
	s.must(s.a.UndoFlattr(ctx, s.alice.ID, f.ID))
	s.tell("Undo of an unknown Like")
	s.deliver(s.a.Server, "Like that is undone", told[0])
	s.click(s.a.Ledger, s.a.Server, s.alice, s.thing["bob"])
	s.click(s.a.Ledger, s.a.Server, s.carol, s.thing["bob"])
	s.tell("Like")
	s.answer()
	s.click(s.b, s.fed, s.gone, s.thing["alice"])
	for about, who := range map[string]string{"Accept of a Like": "alice", "Accept of a second Like": "carol", "TentativeAccept of a Like": "dave"} {
		s.click(s.b, s.fed, s.bob, s.thing[who])
		s.answer()
		s.tell(about)
	}
}

// tick turns the clock and lets both do what is due.
func (s *shallow) tick(month time.Month, day, hour int) {
	s.t.Helper()
	s.about = ""
	s.w.Clock.Set(date(month, day, hour))
	s.must(s.a.Tick(context.Background()))
	s.must(s.b.Tick(context.Background()))
}

// leave closes an account; what it holds goes to the cause.
func (s *shallow) leave(ctx context.Context, l *ledger.Ledger, m ledger.Member) {
	s.must(l.Leave(ctx, m.ID, ledger.Leaving{Give: true}))
}

// claims: each offers the other two lines, one of which is refused, because its payee has left. What
// comes back to bob lets a click count that waited for it.
func (s *shallow) claims() {
	ctx := context.Background()
	s.tick(time.December, 1, 0)
	s.tell("Reject of a Like")
	s.answer()
	s.click(s.b, s.fed, s.bob, s.thing["alice"])
	s.tick(time.December, 2, 1)
	s.leave(ctx, s.a.Ledger, s.carol)
	s.leave(ctx, s.b, s.gone)
	s.tell("Offer with a line to refuse")
	s.answer()
	s.tell("Reject of a claim, and an Offer that supersedes")
	s.answer()
	s.tell("Accept of a claim")
	claims, err := s.a.Claims(ctx)
	s.must(err)
	for _, c := range claims {
		if c.Direction == "out" && c.State == ledger.ClaimTaken {
			s.deliver(s.a.Server, "Offer again", ledger.Message{Kind: ledger.TellClaim, Key: c.IRI, To: c.Host})
		}
	}
	s.answer()
	s.tell("Accept of a claim")
	var waited int
	s.must(s.pool.QueryRow(ctx, `select count(*) from flattr where period = '2026-12' and state <> 'unfunded'`).Scan(&waited))
	if waited != 1 {
		s.t.Errorf("%d flattrs were funded by what came back", waited)
	}
}

// pay lets one side order and send all that it owes.
func (s *shallow) pay(l *ledger.Ledger, op int64, to string) {
	s.t.Helper()
	ctx := context.Background()
	s.about = ""
	s.must(l.SetThreshold(ctx, op, to, 10_000))
	y, err := l.PreparePayment(ctx, op, to)
	s.must(err)
	s.must(l.PaymentSent(ctx, op, y.ID))
}

// payments: a pays b, and says so twice; b pays a, which gets nothing the first time.
func (s *shallow) payments() {
	ctx := context.Background()
	s.pay(s.a.Ledger, s.a.Op.ID, s.b.Instance().Host)
	told := s.a.Outbox.Take(s.t)[0]
	s.deliver(s.a.Server, "Create of a payment", told)
	all, err := s.b.Payments(ctx)
	s.must(err)
	s.must(s.b.ConfirmPayment(ctx, s.op, all[0].ID, all[0].Amount))
	s.deliver(s.a.Server, "Create of a payment again", told)
	s.answer()
	for _, arrived := range []bool{false, true} {
		s.pay(s.b, s.op, s.a.Ledger.Instance().Host)
		s.answer()
		all, err := s.a.Payments(ctx)
		s.must(err)
		if arrived {
			s.must(s.a.ConfirmPayment(ctx, s.a.Op.ID, all[0].ID, all[0].Amount))
			s.tell("Accept of a payment")
			continue
		}
		s.must(s.a.PaymentNotReceived(ctx, s.a.Op.ID, all[0].ID))
		s.tell("Reject of a payment")
	}
}

// conflict: an offer comes again with other content than b remembers, and a is frozen.
func (s *shallow) conflict() {
	ctx := context.Background()
	claims, err := s.a.Claims(ctx)
	s.must(err)
	s.about = ""
	var content string
	const swap = `update claim c set content = $1 from claim o where o.id = c.id and c.direction = 'in' and c.n = 2 returning o.content`
	s.must(s.pool.QueryRow(ctx, swap, "sha-256:"+strings.Repeat("0", 64)).Scan(&content))
	defer func() { s.must(s.pool.QueryRow(ctx, swap, content).Scan(&content)) }() // what came isn't forgotten
	for _, c := range claims {
		if c.Direction == "out" && c.N == 2 {
			s.about = "Offer with other content"
			_, err = s.a.Server.Deliver(ctx, ledger.Message{Kind: ledger.TellClaim, Key: c.IRI, To: c.Host})
		}
	}
	if p, readErr := s.b.Peer(ctx, s.a.Ledger.Instance().Host); err == nil || readErr != nil || p.FrozenAt == nil {
		s.t.Errorf("other content under the same id: %v, frozen at %v, %v", err, p.FrozenAt, readErr)
	}
}
