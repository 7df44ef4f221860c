package guard

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// N4: fifty hostile answers at a time cost less than 64 MiB, leave nothing running, and a healthy
// server beside them is answered as before. No t.Parallel: memory and goroutines are the process's.
func TestFiftyHostileAnswersAtATime(t *testing.T) {
	s := hostileSite(t)
	healthy := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { document(w, "https://"+r.Host+r.URL.Path) })
	// A hostile host has its own few connections; fifty of them are fifty hosts.
	n := public()
	for i := range 50 {
		n.answers[fmt.Sprintf("h%d.example.com", i)] = always("127.0.0.1")
	}
	c := client(t, n, internet)
	zeros()
	if _, err := c.FetchAS2(t.Context(), healthy.at("b", "/warm")); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	goroutines, before := runtime.NumGoroutine(), rss(t)
	var peak, slowest = int64(0), time.Duration(0)
	for _, path := range []string{"/endless", "/10GB", "/bomb", "/drip", "/members", "/nested"} {
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				_, err := c.FetchAS2(soon(t), s.at(fmt.Sprintf("h%d", i), path))
				// A loaded machine may not get to the limit within this test's short deadline.
				if code := CodeOf(err); code != hostile[path].code && code != CodeTimeout {
					t.Errorf("%s: got %v", path, err)
				}
			})
		}
		done := make(chan struct{})
		go func() { all.Wait(); close(done) }()
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
	s.server.CloseClientConnections()
	healthy.server.CloseClientConnections()
	settled(t, goroutines)
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

// rss is the resident set of this process in bytes, the test's own servers included.
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
