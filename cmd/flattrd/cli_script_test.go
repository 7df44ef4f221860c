package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
	"github.com/fedflattr/flattrd/migrations"
)

// TestScripts runs testdata/script: one command after the other, as at a shell, with nothing set but
// what the script sets.
func TestScripts(t *testing.T) {
	binary := program(t)
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:      "testdata/script",
		Deadline: time.Now().Add(8 * time.Minute), // or a command that waits for ever says nothing
		Setup: func(env *testscript.Env) error {
			tb, ok := env.T().(testing.TB)
			if !ok {
				return errors.New("the script's T is no testing.TB")
			}
			env.Values[script{}] = &shell{TB: tb, binary: binary, services: map[string]*service{}}
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("FLATTRD", binary)
			env.Setenv("ROOMY", roomyDir(tb))
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "namespaces" {
				return false, errors.New("unknown condition")
			}
			return exec.Command("unshare", "--mount", "true").Run() == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "database": makeDatabase, "blank": makeBlank, "sql": alter, "serve": serveInScript, "ends": endInScript,
			"fetch": fetch, "login": login, "deposit": deposit,
		},
	})
}

// shell is what a script's own commands remember.
type shell struct {
	testing.TB
	binary   string
	services map[string]*service
	browser  *browser
	base     string
}

// script is the key of a script's shell.
type script struct{}

func shellOf(ts *testscript.TestScript) *shell { return ts.Value(script{}).(*shell) }

// exits CODE COMMAND... runs a command to its end and asserts the exit status.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if ended := new(exec.ExitError); errors.As(err, &ended) {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit status %d, want %s", code, args[0])
	}
}

// database VAR makes a database of the script's own, whose address the variable then holds.
func makeDatabase(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], ledgertest.DSN(shellOf(ts)))
}

// blank VARIABLE makes a database without a schema and puts its address there.
func makeBlank(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], emptyDatabase(shellOf(ts), "flattrd_blank"))
}

// emptyDatabase makes a database without a schema, for the time of a test.
func emptyDatabase(t testing.TB, name string) string {
	t.Helper()
	ctx := context.Background()
	admin := ledgertest.ServerDSN(t)
	name += "_" + strconv.Itoa(os.Getpid())
	dsn, err := migrations.DatabaseDSN(admin, name)
	if err := errors.Join(err, migrations.DropDatabase(ctx, admin, name), migrations.CreateDatabase(ctx, admin, name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := migrations.DropDatabase(ctx, admin, name); err != nil {
			t.Error(err)
		}
	})
	return dsn
}

// sql DSN STATEMENT alters the books behind the program's back: as superuser, triggers off.
func alter(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	own, err := pgxpool.New(ctx, args[0])
	ts.Check(err)
	defer own.Close()
	done, err := ledgertest.Superuser(shellOf(ts), own).Exec(ctx, args[1])
	ts.Check(err)
	if done.RowsAffected() == 0 {
		ts.Fatalf("no row was altered")
	}
}

// serve NAME ARGS... starts serve on a free port and waits until it is ready.
func serveInScript(ts *testscript.TestScript, _ bool, args []string) {
	s := shellOf(ts)
	cmd := exec.Command(s.binary, append([]string{"serve", "--listen", "127.0.0.1:0"}, args[1:]...)...)
	cmd.Dir = "/"
	for _, name := range []string{"PATH", "HOME", "FLATTRD_DATABASE_URL", "FLATTRD_DATA", "FLATTRD_HOST",
		"FLATTRD_TEST", "FLATTRD_TEST_HTTP"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	s.services[args[0]] = begin(s, cmd, `"serve.ready"`)
	ts.Setenv(strings.ToUpper(args[0]), s.services[args[0]].listens())
}

// listens is the address that serve has said it listens on.
func (s *service) listens() string {
	_, rest, _ := strings.Cut(s.stderr(), `"listen":"`)
	address, _, _ := strings.Cut(rest, `"`)
	return address
}

// ends NAME SIGNAL CODE ends a service and asserts the exit status; what it logged is the standard error.
func endInScript(ts *testscript.TestScript, _ bool, args []string) {
	s := shellOf(ts)
	signals := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	service := s.services[args[0]]
	code := service.end(s, signals[args[1]])
	_, _ = io.WriteString(ts.Stdout(), service.stdout())
	_, _ = io.WriteString(ts.Stderr(), service.stderr())
	if strconv.Itoa(code) != args[2] {
		ts.Fatalf("exit status %d, want %s:\n%s", code, args[2], service.stderr())
	}
}

// fetch NAME URL STATUS [MEDIA] asks a service for an address as its proxy does; the page, or the document of that
// media type, is the standard output.
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, args[1], nil)
	ts.Check(err)
	if len(args) > 3 {
		r.Header.Set("Accept", args[3])
	}
	resp, err := clientOf(shellOf(ts).services[args[0]].listens()).Do(r)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_, _ = ts.Stdout().Write(body)
	if strconv.Itoa(resp.StatusCode) != args[2] {
		ts.Fatalf("%s: %s, want %s:\n%s", args[1], resp.Status, args[2], body)
	}
}

// login NAME BASE MEMBER PASSWORD logs in as a browser does; ! login is refused.
func login(ts *testscript.TestScript, neg bool, args []string) {
	s := shellOf(ts)
	s.browser, s.base = newBrowser(), args[1]
	s.browser.client.Transport = clientOf(s.services[args[0]].listens()).Transport
	ctx := context.Background()
	ts.Check(s.browser.open(ctx, s.base+"/login"))
	err := s.browser.submit(ctx, "/login", map[string]string{"name": args[2], "password": args[3]})
	if in := err == nil && s.browser.at.Path == "/home"; in == neg {
		ts.Fatalf("%s is at %s: %v", args[2], s.browser.at, err)
	}
}

// deposit MEMBER AMOUNT records a deposit as the operator who has logged in.
func deposit(ts *testscript.TestScript, _ bool, args []string) {
	s, ctx := shellOf(ts), context.Background()
	ts.Check(s.browser.open(ctx, s.base+"/admin/deposits"))
	ts.Check(s.browser.submit(ctx, "/admin/deposits",
		map[string]string{"name": args[0], "amount": args[1], "reference": "statement 1"}))
	if s.browser.doc.Find(".fault").Length() > 0 {
		ts.Fatalf("%s", s.browser.fault())
	}
}
