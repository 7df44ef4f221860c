//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// problem reads a member of the problem document.
func (r reply) problem(member string) string {
	var all map[string]any
	_ = json.Unmarshal(r.body, &all)
	text, _ := all[member].(string)
	return text
}

func (s *subject) send(t *testing.T, r *http.Request) reply {
	t.Helper()
	return sendBy(t, s.client, r)
}

func sendBy(t *testing.T, c *http.Client, r *http.Request) reply {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, body}
}

// event is a line of the log.
type event struct {
	Level, Code, Detail, Error, Listen string
	Status                             int
}

// mark is the end of the log as it is.
func (s *subject) mark(t *testing.T) int64 {
	t.Helper()
	info, err := os.Stat(s.events)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// since are the events after a mark.
func (s *subject) since(t *testing.T, mark int64) []event {
	t.Helper()
	text, err := os.ReadFile(s.events)
	if err != nil {
		t.Fatal(err)
	}
	var all []event
	lines := bufio.NewScanner(bytes.NewReader(text[mark:]))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Code != "" {
			all = append(all, e)
		}
	}
	return all
}

// refusals are the codes of the events after a mark that tell of a refusal or fault of what came in;
// deliveries go on in the background.
func (s *subject) refusals(t *testing.T, mark int64) []string {
	t.Helper()
	codes := []string{}
	for _, e := range s.since(t, mark) {
		if e.Level != "INFO" && !strings.HasPrefix(e.Code, "deliver.") {
			codes = append(codes, e.Code)
		}
	}
	return codes
}

// awaitEvent waits for an event of the background.
func (s *subject) awaitEvent(t *testing.T, mark int64, code string) event {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for _, e := range s.since(t, mark) {
			if e.Code == code {
				return e
			}
		}
	}
	t.Fatalf("no event %s", code)
	return event{}
}

// tables is everything that a stranger's message can reach beside what the hash covers.
const tables = `
	select 'actors ' || coalesce(string_agg(id, ',' order by id), '') from remote_actor
	union all select 'keys ' || coalesce(string_agg(id || '=' || actor, ',' order by id), '') from remote_key
	union all select 'received ' || count(*) from received_flattr
	union all select 'claims ' || count(*) from claim
	union all select 'lines ' || count(*) from claim_line
	union all select 'transfers ' || count(*) from transfer
	union all select 'payments ' || count(*) from payment
	union all select 'documents ' || count(*) from document where not sent
	union all select 'tombstones ' || count(*) from tombstone
	union all select 'followers ' || count(*) from follower`

// state says what the books hold, and whom they know.
func (s *subject) state(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	hash, err := s.books.Hash(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return hash + "\n" + strings.Join(column[string](t, s, tables), "\n")
}

// column reads one column.
func column[T any](t *testing.T, s *subject, sql string, args ...any) []T {
	t.Helper()
	rows, err := s.pool.Query(context.Background(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// refuses sends a request and asserts its refusal: the status, exactly one event, behind those of what follows from it, and
// nothing changed.
func (s *subject) refuses(t *testing.T, r *http.Request, status int, code string, follows ...string) reply {
	t.Helper()
	before, mark := s.state(t), s.mark(t)
	got := s.send(t, r)
	if got.status != status {
		t.Errorf("status %d, want %d: %s", got.status, status, got.body)
	}
	if codes, want := s.refusals(t, mark), append(follows, code); !slices.Equal(codes, want) {
		t.Errorf("events %v, want exactly %v", codes, want)
	}
	if after := s.state(t); after != before {
		t.Errorf("something changed:\n%s\nwas\n%s", after, before)
	}
	return got
}

// takes sends a request and asserts that it was taken without a word.
func (s *subject) takes(t *testing.T, r *http.Request) reply {
	t.Helper()
	mark := s.mark(t)
	got := s.send(t, r)
	if got.status != http.StatusAccepted {
		t.Errorf("status %d, want 202: %s", got.status, got.body)
	}
	if codes := s.refusals(t, mark); len(codes) > 0 {
		t.Errorf("events %v, want none", codes)
	}
	return got
}

// waitFor polls until what is true.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func numbered(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, n) }
