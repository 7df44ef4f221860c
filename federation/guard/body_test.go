package guard

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// zeros is a gzip member of 10 MB of nothing: repeated, it is a bomb without end.
var zeros = sync.OnceValue(func() []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.CopyN(w, zeroReader{}, 10<<20)
	_ = w.Close()
	return packed.Bytes()
})

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func pour(w http.ResponseWriter, r *http.Request, chunk []byte) {
	for r.Context().Err() == nil {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// hostile are the bodies of security case N4, and what each must come to.
var hostile = map[string]struct {
	serve http.HandlerFunc
	code  Code
}{
	"/drip": {func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}, CodeTimeout},
	"/silence": {func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, CodeTimeout},
	"/stall": {func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"id":`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, CodeTimeout},
	"/endless": {func(w http.ResponseWriter, r *http.Request) { pour(w, r, make([]byte, 16<<10)) }, CodeTooLarge},
	"/10GB": {func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10000000000")
		pour(w, r, make([]byte, 16<<10))
	}, CodeTooLarge},
	"/bomb": {func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		pour(w, r, zeros())
	}, CodeTooLarge},
	"/no-gzip": {func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte("this is no gzip"))
	}, CodeUnreachable},
	"/cut": {func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("{}"))
	}, CodeUnreachable},
	"/headers": {func(w http.ResponseWriter, r *http.Request) {
		for i := range 1000 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
		}
	}, CodeUnreachable},
	"/nested": {func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"a":%s%s}`, strings.Repeat("[", 10_001), strings.Repeat("]", 10_001))
	}, CodeDocument},
	"/members": {func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"a":[0` + strings.Repeat(",0", 500_000) + `]}`))
	}, CodeDocument},
	"/duplicate": {func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"id":"https://%s/duplicate","id":"https://%s/other"}`, r.Host, r.Host)
	}, CodeDocument},
	"/text":  {func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello")) }, CodeDocument},
	"/empty": {func(w http.ResponseWriter, r *http.Request) {}, CodeDocument},
	"/list":  {func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("[]")) }, CodeDocument},
}

func hostileSite(t testing.TB) *site {
	return serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", vocab.AS2MediaType)
		hostile[r.URL.Path].serve(w, r)
	})
}

// soon is a deadline below the fetch's own, so that the test needn't wait for that.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second*slowdown)
	t.Cleanup(cancel)
	return ctx
}

func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	s := hostileSite(t)
	c := client(t, public(), internet)
	for path, test := range hostile {
		t.Run(path[1:], func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := c.FetchAS2(soon(t), s.at("a", path))
			wantCode(t, path, err, test.code)
			if took := time.Since(start); took > 5*time.Second*slowdown {
				t.Errorf("took %v", took)
			}
		})
	}
}

// The status of a delivery is known before its answer ends, and a worker waits.
func TestDeliveriesDontWaitForTheRestOfTheAnswer(t *testing.T) {
	t.Parallel()
	for path := range hostile {
		if path == "/silence" || path == "/headers" {
			continue // no status comes
		}
		s := hostileSite(t)
		start := time.Now()
		status, err := client(t, public(), internet).Post(t.Context(), s.at("a", path), vocab.AS2MediaType, []byte("{}"), unsigned)
		if status != http.StatusOK || err != nil {
			t.Errorf("%s: got %d, %v", path, status, err)
		}
		if took := time.Since(start); took > dropGrace+time.Second*slowdown {
			t.Errorf("%s took %v", path, took)
		}
	}
}

func TestConnectionsThatNeverSpeakTimeOut(t *testing.T) {
	t.Parallel()
	mute := listen(t, "127.0.0.1:0")
	t.Cleanup(func() { _ = mute.Close() })
	go func() {
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(mute.Addr().String())
	_, err := client(t, public(), internet).FetchAS2(soon(t), "https://a.example.com:"+port+"/")
	wantCode(t, "no TLS", err, CodeTimeout)
}

func TestBodiesAtTheirLimit(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		size, _ := strconv.Atoi(r.URL.Query().Get("size"))
		body := io.Writer(w)
		if r.URL.Path == "/gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			packed := gzip.NewWriter(w)
			defer packed.Close()
			body = packed
		}
		_, _ = body.Write(bytes.Repeat([]byte("x"), size))
	})
	c := client(t, public(), internet)
	for _, path := range []string{"/plain", "/gzip"} {
		for size, code := range map[int]Code{0: "", 1: "", 32 << 10: "", MaxBody - 1: "", MaxBody: "", MaxBody + 1: CodeTooLarge} {
			body, err := c.Get(t.Context(), s.at("a", fmt.Sprintf("%s?size=%d", path, size)), "", nil)
			wantCode(t, fmt.Sprintf("%s of %d", path, size), err, code)
			if code == "" && !bytes.Equal(body, bytes.Repeat([]byte("x"), size)) {
				t.Errorf("%s of %d: got %d other bytes", path, size, len(body))
			}
		}
	}
}

func TestBoundedReadingOfAnySlices(t *testing.T) {
	t.Parallel()
	c, text := New(Config{}), strings.Repeat("0123456789", 10_000)
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text), "by halves": iotest.HalfReader(strings.NewReader(text)),
		"by bytes": iotest.OneByteReader(strings.NewReader(text)), "with the end": iotest.DataErrReader(strings.NewReader(text)),
	} {
		if body, err := readAll(c, t.Context(), r, len(text)); err != nil || string(body) != text {
			t.Errorf("%s: got %d bytes, %v", name, len(body), err)
		}
	}
	if _, err := readAll(c, t.Context(), strings.NewReader(text), len(text)-1); err != errTooLarge {
		t.Errorf("one byte more: %v", err)
	}
	if _, err := readAll(c, t.Context(), iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(text))), len(text)); err != iotest.ErrTimeout {
		t.Errorf("a broken body: %v", err)
	}
	if len(c.large) != 0 {
		t.Errorf("%d places are still held", len(c.large))
	}
}

// Large bodies wait for a place, for as long as they may; small ones never do.
func TestLargeBodiesTakeTurns(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	for range largeBodies {
		c.large <- struct{}{}
	}
	small, large := strings.Repeat("x", smallBody*len(chunk{})-1), strings.Repeat("x", smallBody*len(chunk{})+1)
	if body, err := readAll(c, t.Context(), strings.NewReader(small), MaxBody); err != nil || len(body) != len(small) {
		t.Errorf("a small body: %d bytes, %v", len(body), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := readAll(c, ctx, strings.NewReader(large), MaxBody); err != context.DeadlineExceeded {
		t.Errorf("a large body without a place: %v", err)
	}
	<-c.large
	if body, err := readAll(c, t.Context(), strings.NewReader(large), MaxBody); err != nil || len(body) != len(large) {
		t.Errorf("a large body with a place: %d bytes, %v", len(body), err)
	}
	if len(c.large) != largeBodies-1 {
		t.Errorf("%d places are held", len(c.large))
	}
}

func TestServersWithOldOrForeignTLSAreUnreachable(t *testing.T) {
	t.Parallel()
	old := newSite(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { document(w, "https://"+r.Host+r.URL.Path) })
	old.server.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	old.server.StartTLS()
	_, err := client(t, public(), internet).FetchAS2(t.Context(), old.at("a", "/"))
	wantCode(t, "TLS 1.1", err, CodeUnreachable)

	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { document(w, "https://"+r.Host+r.URL.Path) })
	strange := New(Config{Allow: internet, Resolve: public().resolve})
	_, err = strange.FetchAS2(t.Context(), s.at("a", "/"))
	wantCode(t, "an unknown authority", err, CodeUnreachable)
	n := public()
	n.answers["wrong.example.net"] = always("127.0.0.1")
	_, err = client(t, n, internet).FetchAS2(t.Context(), "https://wrong.example.net:"+s.port+"/")
	wantCode(t, "another name", err, CodeUnreachable)
}

// readAll reads a body without doing anything with it.
func readAll(c *Client, ctx context.Context, r io.Reader, limit int) (text []byte, err error) {
	err = c.readBounded(ctx, r, limit, func(body []byte) error { text = body; return nil })
	return text, err
}
