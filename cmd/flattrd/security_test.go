//go:build linux

package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// The security cases are black-box tests: the built program serves as a process of its own, a test
// plays all other servers, and what is asserted is what they can see, what is logged, and what the
// database holds. They need Linux, where all of 127/8 is this machine and /proc tells what a process
// uses.

// built is the program, made by the first test that needs it and removed with the last.
var built struct {
	sync.Mutex
	users     int
	dir, file string
}

// program builds the program once for all tests that use it. Tests call it before t.Parallel, so that it
// is there until the last of them ends.
func program(t *testing.T) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.file == "" {
		dir, err := os.MkdirTemp("", "flattrd-test-")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "flattrd")
		if out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
		built.dir, built.file = dir, file
	}
	built.users++
	t.Cleanup(func() {
		built.Lock()
		defer built.Unlock()
		if built.users--; built.users == 0 {
			_ = os.RemoveAll(built.dir)
			built.file = ""
		}
	})
	return built.file
}

// subject is the program as it serves one instance, and the test's own view of its books.
type subject struct {
	host, base string // as in its ids
	door       string // what it is asked under: a proxy ends TLS
	address    string // where it listens
	events     string // the file of its log
	clock      string // the file of its clock's offset
	process    *os.Process
	books      *ledger.Ledger
	pool       *pgxpool.Pool
	client     *http.Client
	operator   ledger.Member
	offset     time.Duration
}

// setting is a variable of the program's environment.
type setting struct{ name, value string }

// overHTTP makes the program take http below localhost for what it is and for others.
var overHTTP = setting{"FLATTRD_TEST_HTTP", "true"}

// serveAt starts the program with its clock moved on by offset, on a database of its own. Without settings
// it runs as in production, with no hook at all. When the test ends the program is killed, and every
// invariant of its books is checked.
func serveAt(t *testing.T, offset time.Duration, settings ...setting) *subject {
	t.Helper()
	dir := t.TempDir()
	s := &subject{host: "a.localhost", base: "https://a.localhost", door: "http://a.localhost", events: filepath.Join(dir, "events"),
		clock: filepath.Join(dir, "clock")}
	if slices.Contains(settings, overHTTP) {
		s.base = s.door
	}
	s.turn(t, offset)
	dsn := ledgertest.DSN(t)
	s.start(t, dsn, settings)
	s.open(t, dsn)
	return s
}

func (s *subject) start(t *testing.T, dsn string, settings []setting) {
	t.Helper()
	log, err := os.Create(s.events)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program(t), "serve", "--host", s.host, "--listen", "127.0.0.1:0", "--reciprocity", "off")
	cmd.Stderr = log // a file: what is logged before an answer is there when the answer is
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "FLATTRD_") })
	if len(settings) > 0 {
		settings = append([]setting{{"FLATTRD_TEST", "1"}, {"FLATTRD_TEST_CLOCK", s.clock}}, settings...)
	}
	for _, v := range append(settings, setting{"FLATTRD_DATABASE_URL", dsn}) {
		cmd.Env = append(cmd.Env, v.name+"="+v.value)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = cmd.Process
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("log:\n%s", tail(s.events))
		}
	})
	s.await(t, ended)
}

// await waits until the program says where it listens.
func (s *subject) await(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		for _, e := range s.since(t, 0) {
			if e.Code == "serve.ready" {
				s.address = e.Listen
				s.client = clientOf(s.address)
				return
			}
		}
		select {
		case <-ended:
			t.Fatalf("serve has ended:\n%s", tail(s.events))
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("serve isn't ready:\n%s", tail(s.events))
}

// clientOf is a client with connections of its own, for which every host is at one address.
func clientOf(address string) *http.Client {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func tail(file string) string {
	text, _ := os.ReadFile(file)
	return string(text[max(0, len(text)-4000):])
}

// open opens the same books, for setting up and for looking.
func (s *subject) open(t *testing.T, dsn string) {
	t.Helper()
	ctx := context.Background()
	var err error
	if s.pool, err = pgxpool.New(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.pool.Close)
	quiet := slog.New(slog.DiscardHandler)
	outbox, err := federation.NewOutbox(s.pool, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.books, err = ledger.Open(ctx, ledger.Options{Pool: s.pool, Now: s.now, Outbox: outbox, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		found, err := s.books.Check(ctx)
		if err != nil || len(found) > 0 {
			t.Errorf("check: %v %v", found, err)
		}
	})
	s.operator = s.join(t, "op")
}

// now is the program's clock.
func (s *subject) now() time.Time { return time.Now().Add(s.offset) }

// turn sets the program's clock and waits until it has been read.
func (s *subject) turn(t *testing.T, offset time.Duration) {
	t.Helper()
	next := s.clock + ".next"
	if err := os.WriteFile(next, []byte(offset.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, s.clock); err != nil {
		t.Fatal(err)
	}
	s.offset = offset
	if s.address != "" {
		time.Sleep(120 * time.Millisecond)
	}
}

// turnTo sets the program's clock to a time.
func (s *subject) turnTo(t *testing.T, at time.Time) {
	t.Helper()
	s.turn(t, time.Until(at))
}

// testPassword is everybody's.
const testPassword = "correct-horse"

var testHash = sync.OnceValues(func() (string, error) { return argon2id.CreateHash(testPassword, playHash) })

// join makes a member, who is an operator too.
func (s *subject) join(t *testing.T, name string) ledger.Member {
	t.Helper()
	hash, err := testHash()
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.books.CreateOperator(context.Background(), ledger.Joining{Name: name, PasswordHash: hash, Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// button makes a button of the operator's and returns its id on the web.
func (s *subject) button(t *testing.T, page string) string {
	t.Helper()
	b, err := s.books.CreateButton(context.Background(), s.operator.ID,
		ledger.NewButton{URL: "https://blog.example/" + page, Title: page})
	if err != nil {
		t.Fatal(err)
	}
	return s.books.Instance().ButtonIRI(b.ID)
}
