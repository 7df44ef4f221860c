package guard

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// hostileProcess makes this binary a hostile server, so that its memory isn't counted as ours.
const hostileProcess = "GUARD_TEST_HOSTILE"

func TestMain(m *testing.M) {
	if os.Getenv(hostileProcess) == "" {
		os.Exit(m.Run())
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", vocab.AS2MediaType)
		hostile[r.URL.Path].serve(w, r)
	}))
	fmt.Println(s.URL[strings.LastIndexByte(s.URL, ':')+1:])
	_, _ = bufio.NewReader(os.Stdin).ReadByte() // until the test ends, however it ends
	os.Exit(0)
}

// startHostile starts that server and returns its port.
func startHostile(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), hostileProcess+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(port)
}

// N4: fifty hostile answers at a time cost less than 64 MiB, leave nothing running, and a healthy
// server beside them is answered as before. No t.Parallel: memory and goroutines are the process's.
func TestFiftyHostileAnswersAtATime(t *testing.T) {
	port := startHostile(t)
	healthy := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { document(w, "https://"+r.Host+r.URL.Path) })
	n := public() // a host has its own few connections; so fifty hosts
	for i := range 50 {
		n.answers[fmt.Sprintf("h%d.example.com", i)] = always("127.0.0.1")
	}
	c := client(t, n, internet)
	if _, err := c.FetchAS2(t.Context(), healthy.at("b", "/warm")); err != nil {
		t.Fatal(err)
	}
	debug.FreeOSMemory()
	goroutines, before := runtime.NumGoroutine(), rss(t)
	var peak, slowest = int64(0), time.Duration(0)
	for _, path := range []string{"/endless", "/10GB", "/bomb", "/drip", "/members", "/nested"} {
		done := flood(t, c, port, path)
		for running := true; running; {
			start := time.Now()
			if _, err := c.FetchAS2(t.Context(), healthy.at("b", "/x")); err != nil {
				t.Errorf("the healthy server beside %s: %v", path, err)
			}
			slowest = max(slowest, time.Since(start))
			peak = max(peak, rss(t)-before)
			select {
			case <-done:
				running = false
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	t.Logf("RSS grew by %d KiB at most, the healthy server took %v at most", peak>>10, slowest)
	if peak > 64<<20*slowdown {
		t.Errorf("RSS grew by %d KiB", peak>>10)
	}
	c.Close()
	healthy.server.CloseClientConnections()
	settled(t, goroutines)
}

// flood asks fifty hosts for the same hostile answer; the channel is closed after the last.
func flood(t *testing.T, c *Client, port, path string) <-chan struct{} {
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			_, err := c.FetchAS2(soon(t), fmt.Sprintf("https://h%d.example.com:%s%s", i, port, path))
			// A loaded machine may not get to the limit within this test's short deadline.
			if code := CodeOf(err); code != hostile[path].code && code != CodeTimeout {
				t.Errorf("%s: got %v", path, err)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	return done
}

// settled waits until no more goroutines run than before, but for a few of the runtime and of idle
// servers.
func settled(t *testing.T, before int) {
	t.Helper()
	for range 100 {
		if runtime.NumGoroutine() <= before+4 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// rss is the resident set of this process in bytes.
func rss(t *testing.T) int64 {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(raw))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
