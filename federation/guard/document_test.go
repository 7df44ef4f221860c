package guard

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// N5: a document is taken only as what stands at its own id.
func TestDocumentsAreWhatStandsAtTheirID(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{}
	count := func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.Host+r.URL.RequestURI()]++
	}
	other := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		count(r)
		document(w, "https://"+r.Host+r.URL.Path)
	})
	var s *site
	s = serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		count(r)
		here := "https://" + r.Host
		switch r.URL.Path {
		case "/itself", "/moved":
			document(w, here+r.URL.Path)
		case "/capitals":
			document(w, "HTTPS://A.EXAMPLE.COM:"+s.port+"/capitals")
		case "/alias":
			document(w, here+"/itself")
		case "/alias-of-redirect":
			document(w, here+"/redirect")
		case "/alias-of-alias":
			document(w, here+"/alias")
		case "/alias-of-nothing":
			document(w, here+"/nothing")
		case "/alias-of-html":
			document(w, here+"/html")
		case "/redirect":
			http.Redirect(w, r, "/moved", http.StatusFound)
		case "/foreign":
			document(w, other.at("b", "/users/bob"))
		case "/foreign-port":
			document(w, other.at("a", "/users/bob"))
		case "/foreign-scheme":
			document(w, "http://"+r.Host+"/foreign-scheme")
		case "/fragment":
			document(w, here+"/fragment#me")
		case "/html":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, `{"id":"%s/html"}`, here)
		case "/json":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"id":"%s/json"}`, here)
		case "/ld":
			w.Header().Set("Content-Type", "application/ld+json")
			fmt.Fprintf(w, `{"id":"%s/ld"}`, here)
		case "/ld-profile":
			w.Header().Set("Content-Type", vocab.LDMediaType)
			fmt.Fprintf(w, `{"id":"%s/ld-profile"}`, here)
		case "/none":
			w.Header()["Content-Type"] = nil
			fmt.Fprintf(w, `{"id":"%s/none"}`, here)
		case "/no-id":
			w.Header().Set("Content-Type", vocab.AS2MediaType)
			fmt.Fprint(w, `{"type":"Note"}`)
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/created":
			w.WriteHeader(http.StatusCreated)
			document(w, here+"/created")
		default:
			http.NotFound(w, r)
		}
	})
	c := client(t, public(), internet)
	for _, test := range []struct {
		path, id string
		code     Code
		requests int
	}{
		{"/itself", s.at("a", "/itself"), "", 1},
		{"/itself#main-key", s.at("a", "/itself"), "", 1},
		{"/capitals", "HTTPS://A.EXAMPLE.COM:" + s.port + "/capitals", "", 1},
		{"/ld-profile", s.at("a", "/ld-profile"), "", 1},
		{"/redirect", s.at("a", "/moved"), "", 2},
		{"/alias", s.at("a", "/itself"), "", 2},
		{"/alias-of-redirect", "", CodeDocument, 3},
		{"/alias-of-alias", "", CodeDocument, 2},
		{"/alias-of-nothing", "", CodeStatus, 2},
		{"/alias-of-html", "", CodeContentType, 2},
		{"/foreign", "", CodeDocument, 1},
		{"/foreign-port", "", CodeDocument, 1},
		{"/foreign-scheme", "", CodeDocument, 1},
		{"/fragment", "", CodeDocument, 2},
		{"/html", "", CodeContentType, 1},
		{"/json", "", CodeContentType, 1},
		{"/ld", "", CodeContentType, 1},
		{"/none", "", CodeContentType, 1},
		{"/no-id", "", CodeDocument, 1},
		{"/nothing", "", CodeStatus, 1},
		{"/gone", "", CodeStatus, 1},
		{"/busy", "", CodeStatus, 1},
		{"/created", "", CodeStatus, 1},
	} {
		clear(asked)
		doc, err := c.FetchAS2(t.Context(), s.at("a", test.path))
		wantCode(t, test.path, err, test.code)
		if id, _ := doc.ID(); id != test.id {
			t.Errorf("%s: got a document with id %q, want %q", test.path, id, test.id)
		}
		total := 0
		for _, n := range asked {
			total += n
		}
		if total != test.requests {
			t.Errorf("%s: %d requests, want %d: %v", test.path, total, test.requests, asked)
		}
	}
	silent(t, "another host", other.counter)
}

func TestErrorsSayWhetherItIsWorthTryingAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err                           error
		temporary, permanent, blocked bool
		status                        int
	}{
		{&Error{Code: CodeStatus, Status: 404}, false, true, false, 404},
		{&Error{Code: CodeStatus, Status: 410}, false, true, false, 410},
		{&Error{Code: CodeStatus, Status: 408}, true, false, false, 408},
		{&Error{Code: CodeStatus, Status: 429}, true, false, false, 429},
		{&Error{Code: CodeStatus, Status: 503}, true, false, false, 503},
		{&Error{Code: CodeTimeout}, true, false, false, 0},
		{&Error{Code: CodeUnreachable}, true, false, false, 0},
		{&Error{Code: CodeBlocked}, false, true, true, 0},
		{fmt.Errorf("asked: %w", &Error{Code: CodeDocument}), false, true, false, 0},
		{errors.New("of somebody else"), false, false, false, 0},
		{nil, false, false, false, 0},
	} {
		if IsTemporary(test.err) != test.temporary || IsPermanent(test.err) != test.permanent ||
			IsBlocked(test.err) != test.blocked || StatusOf(test.err) != test.status {
			t.Errorf("%v is judged wrongly", test.err)
		}
	}
}

// What is wrong with a document that was fetched isn't a fault of the one that named it, nor does an
// address that we don't take count as a malformed document.
func TestFaultsOfFetchedDocumentsStayTheirs(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", vocab.AS2MediaType)
		fmt.Fprint(w, `{"id":1,"id":2}`)
	})
	c := client(t, public(), internet)
	for _, address := range []string{s.at("a", "/"), "https://127.1/"} {
		_, err := c.FetchAS2(t.Context(), address)
		if CodeOf(err) == "" || vocab.FaultCode(err) != "" {
			t.Errorf("got %v", err)
		}
	}
}

func TestOtherJSONIsTakenByItsMediaType(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		if r.Header.Get("Accept") != vocab.JRDMediaType {
			t.Errorf("asked for %q", r.Header.Get("Accept"))
		}
		fmt.Fprint(w, `{}`)
	})
	c := client(t, public(), internet)
	for kind, code := range map[string]Code{
		"application/jrd%2Bjson": "", "application/json": "", "application/json%3Bcharset=utf-8": "", "text/html": CodeContentType, "": CodeContentType,
	} {
		_, err := c.Get(t.Context(), s.at("a", "/?type="+kind), vocab.JRDMediaType, nil)
		wantCode(t, kind, err, code)
		_, err = c.Get(t.Context(), s.at("a", "/?type="+kind), vocab.JRDMediaType, vocab.IsJRD)
		wantCode(t, kind, err, code)
	}
}
