//go:build linux

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// many is how many hostile bodies come at once.
const many = 50

// hostile bodies, as a server answers with them or a client posts them.
var hostile = map[string]struct {
	header map[string]string
	write  func(w io.Writer) error
}{
	"a":       {nil, drip},
	"b":       {nil, func(w io.Writer) error { return endless(w, []byte(strings.Repeat(" ", 64<<10))) }},
	"c":       {map[string]string{"Content-Length": "10000000000"}, drip},
	"d":       {map[string]string{"Content-Encoding": "gzip"}, bomb},
	"e":       {nil, func(w io.Writer) error { return repeat(w, `{"x":`, "[", 10_001, "") }},
	"f":       {nil, func(w io.Writer) error { return repeat(w, `{"x":[0`, ",0", 400_000, "]}") }},
	"f-named": {nil, func(w io.Writer) error { return repeat(w, `{"x":{`, `"0123456789":0,`, 1_000_000, "}}") }},
}

// drip sends a byte every five seconds for as long as somebody reads.
func drip(w io.Writer) error {
	for {
		if _, err := w.Write([]byte("{")); err != nil {
			return err
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		time.Sleep(5 * time.Second)
	}
}

func endless(w io.Writer, piece []byte) error {
	for {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
}

func repeat(w io.Writer, begin, piece string, times int, end string) error {
	_, err := io.WriteString(w, begin+strings.Repeat(piece, times)+end)
	return err
}

// zeros is 10 MB of nothing, compressed; gzip members may follow each other (RFC 1952 §2.2).
var zeros = sync.OnceValue(func() []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(make([]byte, 10<<20))
	_ = w.Close()
	return out.Bytes()
})

// bomb is 10 GB in 10 MB.
func bomb(w io.Writer) error {
	for range 1000 {
		if _, err := w.Write(zeros()); err != nil {
			return err
		}
	}
	return nil
}

// N4: whatever a body is like, it costs little, ends soon, and nobody else notices.
func TestN4HostileBodies(t *testing.T) {
	s := newScene(t)
	for kind, body := range hostile {
		s.out.page("hostile.localhost", "/"+kind, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", vocab.AS2MediaType)
			for name, value := range body.header {
				w.Header().Set(name, value)
			}
			_ = body.write(w)
		})
	}
	s.warm(t)
	before, usual := s.state(t), memoryOf(t, s.process)
	watch, others := s.watchMemory(t), s.others(t)
	for _, kind := range []string{"b", "c", "d", "e", "f", "f-named"} {
		t.Run("fetched-"+kind, func(t *testing.T) { s.fetched(t, kind, many) })
		t.Run("posted-"+kind, func(t *testing.T) { s.posted(t, kind, many) })
	}
	if !testing.Short() { // half a minute
		t.Run("slow", s.slowly)
	}
	peak := watch()
	t.Logf("memory grew by %d MiB to %d MiB", (peak-usual)>>20, peak>>20)
	if peak-usual > 64<<20 {
		t.Error("memory grew by more than 64 MiB")
	}
	others(t)
	if after := s.state(t); after != before {
		t.Errorf("something changed:\n%s\nwas\n%s", after, before)
	}
}

// warm does what a busy hour is like: as many good messages at a time as there will be bad ones.
func (s *scene) warm(t *testing.T) {
	t.Helper()
	s.takes(t, s.signedLike(t, s.bob))
	for range 4 {
		var good []*http.Request
		for range many {
			good = append(good, s.signedLike(t, s.bob))
		}
		s.atOnce(t, good, func(status int) bool { return status == http.StatusAccepted })
	}
}

// watchMemory looks at the program's memory until it is asked for the most.
func (s *scene) watchMemory(t *testing.T) (peak func() int64) {
	var most int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				most = max(most, memoryOf(t, s.process))
			}
		}
	}()
	return func() int64 { close(stop); <-stopped; return most }
}

// others asks for an actor all the while, as other servers do, and posts what isn't signed.
func (s *scene) others(t *testing.T) (judge func(t *testing.T)) {
	var took []time.Duration
	var wrong atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	client := clientOf(s.address)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			begin := time.Now()
			r, _ := http.NewRequest(http.MethodGet, s.door+"/users/op", nil)
			r.Header.Set("Accept", vocab.AS2MediaType)
			resp, err := client.Do(r)
			if err != nil || resp.StatusCode != http.StatusOK {
				wrong.Add(1)
				continue
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			took = append(took, time.Since(begin))
		}
	}()
	return func(t *testing.T) {
		close(stop)
		<-stopped
		slices.Sort(took)
		if p95 := took[len(took)*95/100]; wrong.Load() > 0 || p95 > 2*time.Second {
			t.Errorf("others: %d of %d failed, p95 %v", wrong.Load(), len(took), p95)
		} else {
			t.Logf("others: %d requests, p95 %v", len(took), p95)
		}
	}
}

// fetched has the program fetch a hostile document from many names at once.
func (s *scene) fetched(t *testing.T, kind string, times int) {
	requests := make([]*http.Request, times)
	for i := range requests {
		p := s.out.unserved(t, "hostile.localhost")
		p.id = s.out.at("hostile.localhost", "/"+kind) + numbered("?", i)
		p.keyID = p.id + "#main-key"
		requests[i] = s.signedLike(t, p)
	}
	s.atOnce(t, requests, func(status int) bool {
		return status/100 == 4 || status == http.StatusServiceUnavailable
	})
}

// posted posts a hostile body, signed by bob where a signature is what it takes to get so far.
func (s *scene) posted(t *testing.T, kind string, times int) {
	var requests []*http.Request
	for range times {
		var r *http.Request
		switch kind {
		case "d": // what a client compresses isn't decompressed
			r = s.bob.sign(t, s.post(zeros()))
			r.Header.Set("Content-Encoding", "gzip")
		case "b":
			r = s.post(nil)
			r.Body, r.ContentLength = io.NopCloser(endlessly{}), -1
		case "c":
			r = s.post(nil)
			r.Body, r.ContentLength = io.NopCloser(endlessly{}), 10_000_000_000
		default:
			var body bytes.Buffer
			_ = hostile[kind].write(&body)
			r = s.bob.sign(t, s.post(body.Bytes()))
		}
		requests = append(requests, r)
	}
	s.atOnce(t, requests, func(status int) bool {
		return status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge
	})
}

// endlessly is a body without an end.
type endlessly struct{}

func (endlessly) Read(p []byte) (int, error) { return len(p), nil }

// atOnce sends requests in parallel. A connection that the program closes on a body that it won't read
// is an answer too.
func (s *scene) atOnce(t *testing.T, requests []*http.Request, right func(status int) bool) {
	t.Helper()
	var wait sync.WaitGroup
	var answered atomic.Int64
	begin := time.Now()
	for _, r := range requests {
		wait.Go(func() {
			resp, err := clientOf(s.address).Do(r)
			if err != nil {
				return
			}
			defer resp.Body.Close()
			answered.Add(1)
			if text, _ := io.ReadAll(resp.Body); !right(resp.StatusCode) {
				t.Errorf("status %d: %s", resp.StatusCode, text)
			}
		})
	}
	wait.Wait()
	if took := time.Since(begin); took > 30*time.Second || answered.Load() == 0 {
		t.Errorf("took %v, %d answers", took, answered.Load())
	}
}

// slowly has many send a byte at a time, as clients and as servers that are asked.
func (s *scene) slowly(t *testing.T) {
	begin := time.Now()
	var wait sync.WaitGroup
	ends := make(chan string, 2*many)
	for i := range many {
		wait.Go(func() { ends <- s.slowPost() })
		p := s.out.unserved(t, fmt.Sprintf("slow%d.localhost", i))
		s.out.page(p.host, "/users/x", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", vocab.AS2MediaType)
			_ = drip(w)
		})
		r := s.signedLike(t, p)
		wait.Go(func() {
			resp, err := clientOf(s.address).Do(r)
			if err != nil {
				ends <- err.Error()
				return
			}
			_ = resp.Body.Close()
			ends <- resp.Status
		})
	}
	wait.Wait()
	close(ends)
	if took := time.Since(begin); took > 33*time.Second {
		t.Errorf("took %v", took)
	}
	seen := map[string]int{}
	for end := range ends {
		seen[end]++
	}
	if seen["503 Service Unavailable"] != many || seen["400 Bad Request"] != many {
		t.Errorf("ends: %v", seen)
	}
}

// slowPost posts a body a byte at a time and returns the answer's status.
func (s *scene) slowPost() string {
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /inbox HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n", s.host, vocab.AS2MediaType)
	go func() { _ = drip(conn) }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error()
	}
	return resp.Status
}

// N5: a document is what stands at its own id, with the media type that only servers give.
func TestN5Authenticity(t *testing.T) {
	s := newScene(t)
	victim := s.out.person(t, "victim.localhost", "victim")
	put := func(path, media string, change func(doc map[string]any)) stranger {
		p := stranger{host: "n5.localhost", path: path, id: s.out.at("n5.localhost", path), key: rsaKeyOf(t, "n5")}
		p.keyID = p.id + "#main-key"
		doc := p.document(t, "Person")
		if change != nil {
			change(doc)
		}
		s.out.document(p.host, path, media, doc)
		return p
	}
	for i, media := range []string{"text/html", "text/plain", "application/json", "application/ld+json", "application/octet-stream",
		`application/ld+json; profile="https://example.com/"`, "image/png", "application/activity+json-ish"} {
		t.Run(numbered("a-", i), func(t *testing.T) {
			p := put(numbered("/users/a", i), media, nil)
			s.refuses(t, s.signedLike(t, p), http.StatusForbidden, "sig.owner")
			if n := len(s.out.asked(p.host, p.path)); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
	t.Run("b", func(t *testing.T) { // an id on another host: no stranger sends us there
		p := put("/users/b", vocab.AS2MediaType, func(doc map[string]any) { doc["id"] = victim.id })
		s.refuses(t, s.signedLike(t, p), http.StatusForbidden, "sig.owner")
		if n := len(s.out.asked(victim.host, victim.path)); n > 0 {
			t.Errorf("the other host was asked %d times", n)
		}
		r, _ := s.like(victim) // and the victim's name is still the victim's
		s.refuses(t, cavage{keyID: p.keyID, key: p.key, algorithm: "rsa-sha256", headers: usual}.sign(t, r), http.StatusForbidden, "sig.owner")
	})
	t.Run("c", func(t *testing.T) { // another path on the same host: asked there, once
		real := put("/users/c", vocab.AS2MediaType, nil)
		p := put("/files/c", vocab.AS2MediaType, func(doc map[string]any) {
			doc["id"] = real.id
			doc["publicKey"].(map[string]any)["owner"] = real.id
		})
		s.refuses(t, s.signedLike(t, p), http.StatusForbidden, "sig.owner")
		if n := len(s.out.asked(real.host, real.path)); n != 1 {
			t.Errorf("the id was asked for %d times", n)
		}
		as := real // the file's key signs as the real one
		as.keyID = p.keyID
		s.refuses(t, s.signedLike(t, as), http.StatusForbidden, "sig.owner")
		s.takes(t, s.signedLike(t, real))
	})
	t.Run("c-nowhere", func(t *testing.T) {
		p := put("/files/d", vocab.AS2MediaType, func(doc map[string]any) { doc["id"] = s.out.at("n5.localhost", "/users/nobody") })
		s.refuses(t, s.signedLike(t, p), http.StatusUnauthorized, "sig.key")
	})
	for i, id := range []any{nil, "", "users/x", 7, []any{}, map[string]any{}} {
		t.Run(numbered("d-", i), func(t *testing.T) {
			p := put(numbered("/users/d", i), vocab.AS2MediaType, func(doc map[string]any) {
				if doc["id"] = id; id == nil {
					delete(doc, "id")
				}
			})
			s.refuses(t, s.signedLike(t, p), http.StatusForbidden, "sig.owner")
		})
	}
	t.Run("taken", func(t *testing.T) {
		for i, media := range []string{vocab.AS2MediaType, vocab.LDMediaType, "application/activity+json; charset=utf-8"} {
			s.takes(t, s.signedLike(t, put(numbered("/users/fine", i), media, nil)))
		}
	})
}
