//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"
)

// wire stands between the instances of a lane and keeps what they told each other, outside of their processes: what was
// answered with 2xx must be in the recipient's books whatever was killed since, and what was promised in the sender's.
type wire struct {
	l       *lane
	servers []*http.Server
	mu      sync.Mutex
	told    []telling
}

// telling is one message that went to an inbox.
type telling struct {
	to    int // instance
	taken bool
	body  []byte
	ID    string          `json:"id"`
	Type  string          `json:"type"`
	Actor string          `json:"actor"`
	About json.RawMessage `json:"object"`
	Proof json.RawMessage `json:"proof"`
}

// tap is where the wire takes what is for instance k.
func (l *lane) tap(k int) string { return fmt.Sprintf("127.0.%d.%d", 150+l.n, k+1) }

func (l *lane) listenIn() (*wire, error) {
	w := &wire{l: l}
	for k := range worldInstances {
		on, err := net.Listen("tcp", fmt.Sprintf("%s:%d", l.tap(k), l.port))
		if err != nil {
			w.end()
			return nil, err
		}
		server := &http.Server{Handler: w.passOn(k), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
		w.servers = append(w.servers, server)
		go func() { _ = server.Serve(on) }()
	}
	return w, nil
}

func (w *wire) end() {
	for _, s := range w.servers {
		_ = s.Close()
	}
}

// passOn gives a request to the instance as it is. A connection that the instance doesn't take, or that is cut, is cut.
func (w *wire) passOn(k int) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", r.In.Host },
		Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, fmt.Sprintf("%s:%d", w.l.address(k), w.l.port))
		}},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			note := w.note(k, body)
			seen := &statusWriter{ResponseWriter: rw}
			rw = seen
			defer func() {
				if seen.status >= 200 && seen.status < 300 {
					note()
				}
			}()
		}
		proxy.ServeHTTP(rw, r)
	})
}

// statusWriter sees which status was written.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// note keeps a message that is being sent; the function that it returns says that it was taken.
func (w *wire) note(k int, body []byte) (taken func()) {
	t := telling{to: k, body: body}
	_ = json.Unmarshal(body, &t) // what can't be read is of no interest here
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.told)
	w.told = append(w.told, t)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told[n].taken = true
	}
}

// from is the sender's number.
func (t telling) from() int {
	_, rest, _ := strings.Cut(t.Actor, "://")
	if rest == "" {
		return -1
	}
	return int(rest[0] - 'a')
}

// about is the id of what a message is about.
func (t telling) about() string {
	var id string
	if json.Unmarshal(t.About, &id) == nil {
		return id
	}
	var object struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(t.About, &object)
	return object.ID
}
