package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/migrations/privatepg"
)

// localTown is localserve as a process of its own, with its data in a directory of its own.
type localTown struct {
	*testing.T
	*service
	data  string
	port  int
	began time.Time // of the last start
}

// saysDay asserts the day that it has printed, so many days from now.
func (l *localTown) saysDay(ahead int) {
	l.Helper()
	for _, now := range []time.Time{l.began, time.Now()} { // midnight may lie between them
		if strings.Contains(l.stdout(), "It is "+now.UTC().AddDate(0, 0, ahead).Format(time.DateOnly)) {
			return
		}
	}
	l.Errorf("the clock should be %d days ahead:\n%s", ahead, l.stdout())
}

// start starts localserve again; it has said everything when it says how to stop it.
func (l *localTown) start(args ...string) {
	l.Helper()
	l.began = time.Now()
	args = append([]string{"localserve", "--port", strconv.Itoa(l.port)}, args...)
	l.service = begin(l, command(l.T, []string{"FLATTRD_DATA=" + l.data}, args...), "Ctrl+C stops.")
}

// quietPort is a free port below those that the kernel gives to outgoing connections (ip_local_port_range),
// so that it is still free after a restart.
func quietPort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20_000 + rand.IntN(12_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// ends asserts that a signal ends the program, how, and that nothing of it lives on.
func (l *localTown) ends(sig os.Signal, code int) {
	l.Helper()
	if got := l.end(l, sig); got != code {
		l.Fatalf("exit status %d after %v, want %d:\n%s", got, sig, code, l.stderr())
	}
	leavesNoServer(l, l.data)
}

func (l *localTown) host(letter string) string { return worldHost(letter, uint16(l.port)) }
func (l *localTown) base(letter string) string { return "http://" + l.host(letter) }

// check runs check on one of the instances' books.
func (l *localTown) check(letter string) string {
	l.Helper()
	o := invoke(l.T, []string{"FLATTRD_DATA=" + l.data}, "check", "--hash", "--database", fmt.Sprintf("flattrd_%s_%d", letter, l.port))
	o.wants(l.T, 0, nil, nil)
	if o.stderr != "" || !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(o.stdout) {
		l.Fatalf("check --hash says %q and %q", o.stdout, o.stderr)
	}
	return o.stdout
}

// person logs in at an instance with the password that localserve has printed.
func (l *localTown) person(letter, name string) *person {
	l.Helper()
	login := regexp.MustCompile(`http://` + l.host(letter) + `/ +log in as ` + name + ` with the password (\S+)`)
	said := login.FindStringSubmatch(l.stdout())
	if said == nil {
		l.Fatalf("no login of %s in:\n%s", name, l.stdout())
	}
	p := &person{newBrowser(), name, letter, l.base(letter)}
	l.does(p.open(l.Context(), p.base+"/login"))
	l.does(p.submit(l.Context(), "/login", map[string]string{"name": name, "password": said[1]}))
	if p.at.Path != "/home" {
		l.Fatalf("%s is at %s", name, p.at)
	}
	return p
}

func (l *localTown) does(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// button is the first one of a page of the blog.
func (l *localTown) button(page string) string {
	l.Helper()
	b := newBrowser()
	l.does(b.open(l.Context(), l.base("blog")+page))
	return b.doc.Find("flattr-button a[rel=payment]").AttrOr("href", "")
}

// flattrs clicks as alice on a post of the blog, as the n-th on these books, and waits until her home has
// the final answer, so that the books stand still.
func (l *localTown) flattrs(page string, n int) (button string) {
	l.Helper()
	button = l.button(page)
	play := &demo{world: &world{port: uint16(l.port)}, buttons: map[string]string{page: button}}
	l.does(play.flattr(l.Context(), l.person("a", "alice"), page))
	l.awaitAccepts(n)
	return button
}

func (l *localTown) awaitAccepts(want int) {
	l.Helper()
	at, err := privatepg.AddressOf(filepath.Join(l.data, "postgres"))
	l.does(err)
	conn, err := pgx.Connect(l.Context(), at.DSN(fmt.Sprintf("flattrd_a_%d", l.port)))
	l.does(err)
	defer conn.Close(context.Background())
	waitFor(l.T, "the answer to a flattr", func() bool {
		var n int
		l.does(conn.QueryRow(l.Context(), `select count(*) from flattr where state = 'accepted'`).Scan(&n))
		return n == want
	})
}

// A person's day with localserve: the addresses, the logins, a flattr, and everything still there after
// each way in which the program can end.
func TestLocalserve(t *testing.T) {
	program(t)
	t.Parallel()
	l := &localTown{T: t, data: filepath.Join(roomyDir(t), "data"), port: quietPort(t)}
	l.start()
	if l.stderr() != "" {
		t.Errorf("noise on standard error:\n%s", l.stderr())
	}
	l.answers()
	l.refusesASecond()

	post := l.flattrs("/sourdough", 1)
	invite := l.joinByInvite("newcomer")
	books := l.check("a") + l.check("b") + l.check("c")
	l.ends(syscall.SIGTERM, 0)
	if l.stderr() != "" {
		t.Errorf("noise on standard error:\n%s", l.stderr())
	}
	if now := l.check("a") + l.check("b") + l.check("c"); now != books {
		t.Errorf("with localserve stopped the books are\n%s, were\n%s", now, books)
	}
	leavesNoServer(t, l.data)

	l.start()
	if now := l.check("a") + l.check("b") + l.check("c"); now != books {
		t.Errorf("after a restart the books are\n%s, were\n%s", now, books)
	}
	if again := l.button("/sourdough"); again != post || !strings.Contains(count(t, post), `"n":1,`) {
		t.Errorf("after a restart the button is %s: %s", again, count(t, post))
	}
	if again := l.joinByInvite("another"); again != invite {
		t.Errorf("after a restart the invitation is %s, was %s", again, invite)
	}
	alice := l.person("a", "alice")
	if !strings.Contains(alice.doc.Text(), "A sourdough that forgives") {
		t.Error("after a restart alice's month doesn't show the flattr")
	}
	l.turnsTheClock(alice)
	l.ends(syscall.SIGKILL, -1)

	l.start()
	l.saysDay(1)
	l.flattrs("/night-trains", 2)
	l.losesItsDatabase()

	l.start("--reset")
	l.saysDay(0)
	if post := l.button("/sourdough"); !strings.Contains(count(t, post), `"n":0,`) {
		t.Errorf("--reset kept the flattr: %s", count(t, post))
	}
	if again := l.joinByInvite("newcomer"); again == invite { // the name is free again
		t.Error("--reset kept the invitation")
	}
	l.check("a")
	l.ends(os.Interrupt, 0)
}

// answers: every host that was printed, all posts of the blog, and nothing else.
func (l *localTown) answers() {
	for _, at := range []string{l.base("a"), l.base("b"), l.base("c"), l.base("blog"), fmt.Sprintf("http://localhost:%d", l.port)} {
		if !strings.Contains(l.stdout(), at+"/") && !strings.HasPrefix(at, "http://localhost") {
			l.Errorf("%s isn't in:\n%s", at, l.stdout())
		}
		l.does(newBrowser().open(l.Context(), at+"/"))
	}
	b := newBrowser()
	l.does(b.open(l.Context(), l.base("blog")+"/"))
	posts := b.doc.Find("article h2 a").Map(func(_ int, a *goquery.Selection) string { return a.AttrOr("href", "") })
	if len(posts) != len(seedPosts) {
		l.Errorf("the blog has %q", posts)
	}
	homes := map[string]bool{}
	for _, page := range posts {
		home, _, _ := strings.Cut(l.button(page), "/f/")
		homes[home] = true
	}
	if len(homes) != 3 {
		l.Errorf("the blog's buttons are at %v", homes)
	}
	for letter, name := range map[string]string{"a": "alice", "b": "bob", "c": "carla"} {
		l.person(letter, name)
	}
	resp, err := newBrowser().client.Get(l.base("d") + "/")
	l.does(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		l.Errorf("a host that isn't served: %s", resp.Status)
	}
}

// refusesASecond: neither on the same port nor on the same data, and the first doesn't notice.
func (l *localTown) refusesASecond() {
	other := filepath.Join(l.TempDir(), "data")
	o := invoke(l.T, []string{"FLATTRD_DATA=" + other}, "localserve", "--port", strconv.Itoa(l.port))
	o.wants(l.T, 1, nil, []string{fmt.Sprintf("flattrd: port %d is in use", l.port), "--port"})
	if _, err := os.Stat(other); err == nil || o.stdout != "" {
		l.Errorf("a refused start left %s and said %q", other, o.stdout)
	}
	o = invoke(l.T, []string{"FLATTRD_DATA=" + l.data}, "localserve", "--port", "0")
	o.wants(l.T, 1, nil, []string{l.data, fmt.Sprintf("in use by process %d", l.cmd.Process.Pid), "FLATTRD_DATA"})
	if o.stdout != "" {
		l.Errorf("a refused start said %q", o.stdout)
	}
	l.does(newBrowser().open(l.Context(), l.base("a")+"/"))
}

// joinByInvite opens the printed invitation, joins by it and returns it.
func (l *localTown) joinByInvite(name string) string {
	l.Helper()
	link := regexp.MustCompile(`http://\S+/join\?code=\S+`).FindString(l.stdout())
	b := newBrowser()
	l.does(b.open(l.Context(), link))
	l.does(b.submit(l.Context(), "/join", map[string]string{"name": name, "password": "correct horse battery"}))
	return link
}

func (l *localTown) turnsTheClock(p *person) {
	l.does(p.open(l.Context(), p.base+"/home"))
	l.does(p.submit(l.Context(), "/test/turn", nil))
}

// losesItsDatabase: a localserve without its books doesn't go on as if it had them.
func (l *localTown) losesItsDatabase() {
	l.Helper()
	text, err := os.ReadFile(filepath.Join(l.data, "postgres", "data", "postmaster.pid"))
	l.does(err)
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	l.does(err)
	l.does(syscall.Kill(pid, syscall.SIGQUIT))
	select {
	case <-l.ended:
	case <-time.After(30 * time.Second):
		l.Fatal("localserve lives 30 s after its database")
	}
	if code := l.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(l.stderr(), "the private database has ended") {
		l.Errorf("exit status %d without a database:\n%s", code, l.stderr())
	}
}

// Several processes that start at once on an empty database make one schema and one instance.
func TestTwoStartAtOnce(t *testing.T) {
	program(t)
	t.Parallel()
	for round := range 3 {
		dsn := emptyDatabase(t, fmt.Sprintf("flattrd_at_once_%d", round))
		env := []string{"FLATTRD_DATABASE_URL=" + dsn, "FLATTRD_HOST=a.example"}
		both := make(chan *service)
		for range 2 {
			cmd := command(t, env, "serve", "--listen", "127.0.0.1:0")
			go func() {
				var s *service
				defer func() { both <- s }()
				s = begin(t, cmd, `"serve.ready"`)
			}()
		}
		one, two := <-both, <-both
		if one == nil || two == nil {
			t.FailNow()
		}
		if a, b := keysAt(t, one), keysAt(t, two); a != b {
			t.Errorf("the two don't run the same instance: %s and %s", a, b)
		}
		for _, s := range []*service{one, two} {
			if code := s.end(t, syscall.SIGTERM); code != 0 || strings.Contains(s.stderr(), `"ERROR"`) {
				t.Errorf("exit status %d:\n%s", code, s.stderr())
			}
		}
		invoke(t, env, "check").wants(t, 0, []string{"ok"}, nil)
	}
}

// keysAt is the instance's actor, keys and all.
func keysAt(t *testing.T, s *service) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://a.example/actor", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/activity+json")
	resp, err := clientOf(s.listens()).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "#accounting-key") {
		t.Fatalf("%s %v: %s", resp.Status, err, body)
	}
	return string(body)
}

// Where the data goes when nothing says so: the XDG base directories.
func TestDataDirectory(t *testing.T) {
	for _, c := range []struct{ data, xdg, home, want string }{
		{"/srv/flattrd", "/xdg", "/home/op", "/srv/flattrd"},
		{"", "/xdg", "/home/op", "/xdg/flattrd"},
		{"", "", "/home/op", "/home/op/.local/share/flattrd"},
		{"", "relative", "/home/op", "/home/op/.local/share/flattrd"}, // the specification: ignore it
		{"", "", "", ""},
	} {
		t.Setenv("XDG_DATA_HOME", c.xdg)
		t.Setenv("HOME", c.home)
		dir, err := (&Database{Data: c.data}).dir()
		if dir != c.want || (err == nil) != (c.want != "") {
			t.Errorf("data %q, XDG_DATA_HOME %q, HOME %q: %q, %v", c.data, c.xdg, c.home, dir, err)
		}
	}
}

// A person at a terminal reads lines, a machine JSON.
func TestLogFormat(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	terminal, err := os.OpenFile("/dev/null", os.O_WRONLY, 0) // a character device, as a terminal is one
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	for file, want := range map[*os.File]string{write: "*slog.JSONHandler", terminal: "*slog.TextHandler"} {
		if got := fmt.Sprintf("%T", logHandler(file, 0)); got != want {
			t.Errorf("%s: %s, want %s", file.Name(), got, want)
		}
	}
}

// A program that is told to stop while it is still starting does that, and the next start is none the worse.
func TestStopWhileStarting(t *testing.T) {
	program(t)
	t.Parallel()
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"localserve", "--port", "0"}} {
		data := filepath.Join(roomyDir(t), "data")
		env := []string{"FLATTRD_DATA=" + data, "FLATTRD_HOST=a.example"}
		s := begin(t, command(t, env, args...), "")
		waitFor(t, "the making of a database", func() bool {
			_, err := os.Stat(filepath.Join(data, "postgres", "data.new"))
			return err == nil
		})
		if code := s.end(t, syscall.SIGTERM); code != 0 || s.stdout() != "" {
			t.Errorf("%s: exit status %d, standard output %q, standard error:\n%s", args[0], code, s.stdout(), s.stderr())
		}
		leavesNoServer(t, data)
		invoke(t, env, "migrate").wants(t, 0, []string{"schema"}, nil)
		leavesNoServer(t, data)
	}
}

// With nothing set, the data of an ordinary user is in the home.
func TestOrdinaryUser(t *testing.T) {
	program(t)
	t.Parallel()
	home := roomyDir(t)
	cmd := command(t, []string{"HOME=" + home}, "check")
	asNobody(t, cmd)
	if os.Getuid() == 0 {
		if err := os.Chown(home, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, cmd).wants(t, 1, nil, []string{"no database flattrd here"})
	if _, err := os.Stat(filepath.Join(home, ".local", "share", "flattrd", "postgres", "data")); err != nil {
		t.Error(err)
	}
	leavesNoServer(t, home)
}
