package federation_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// TestWebFinger: RFC 7033 for members, by handle, actor and profile, and for the server itself (FEP-d556).
func TestWebFinger(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	to.Member("b", "gone")
	gone, err := to.b.MemberByName(context.Background(), "gone")
	to.must(err)
	to.must(to.b.DeleteMember(context.Background(), gone.ID))
	base := to.b.Ledger.Instance().BaseURL
	host := to.b.Ledger.Instance().Host
	for _, c := range []struct {
		resource string
		status   int
		subject  string
		self     string
	}{
		{"acct:bob@" + host, 200, "acct:bob@" + host, to.bobIRI},
		{"acct:@bob@" + host, 200, "acct:bob@" + host, to.bobIRI},
		{"acct:BOB@" + strings.ToUpper(host), 200, "acct:bob@" + host, to.bobIRI},
		{to.bobIRI, 200, "acct:bob@" + host, to.bobIRI},
		{base + "/@bob", 200, "acct:bob@" + host, to.bobIRI},
		{base, 200, base + "/", base + "/actor"},
		{base + "/", 200, base + "/", base + "/actor"},
		{base + "/actor", 200, base + "/", base + "/actor"},
		{"acct:" + host + "@" + host, 200, "acct:" + host + "@" + host, base + "/actor"},
		{"acct:gone@" + host, 410, "", ""},
		{"acct:nobody@" + host, 404, "", ""},
		{"acct:bob@elsewhere.example", 404, "", ""},
		{"acct:bob", 404, "", ""},
		{"https://elsewhere.example/users/bob", 404, "", ""},
		{to.bobIRI + "/followers", 404, "", ""},
		{"bob", 404, "", ""},
		{"", 404, "", ""},
	} {
		r := to.get(base+"/.well-known/webfinger?resource="+url.QueryEscape(c.resource), "")
		if r.StatusCode != c.status || r.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %s, %v", c.resource, r.Status, r.Header)
		}
		if c.status != http.StatusOK {
			continue
		}
		if r.Header.Get("Content-Type") != "application/jrd+json" {
			t.Errorf("%s: %s", c.resource, r.Header.Get("Content-Type"))
		}
		jrd, err := vocab.ParseJRD(body(t, r))
		to.must(err)
		if jrd.Subject != c.subject || jrd.Self() != c.self {
			t.Errorf("%s: subject %s, self %s", c.resource, jrd.Subject, jrd.Self())
		}
		checkIntents(t, jrd, base)
	}
}

// checkIntents: where a person of this host is sent to flattr something, with one placeholder.
func checkIntents(t *testing.T, jrd vocab.JRD, base string) {
	t.Helper()
	for _, rel := range []string{vocab.RelFlattr, vocab.RelLike, vocab.RelObject} {
		template := jrd.Intent(rel)
		if !strings.HasPrefix(template, base+"/") || strings.Count(template, "{object}") != 1 {
			t.Errorf("%s leads to %q", rel, template)
		}
	}
	if flattr := jrd.Intent(vocab.RelFlattr); !strings.Contains(flattr, "{on-success}") || !strings.Contains(flattr, "{on-cancel}") {
		t.Errorf("no way back: %s", flattr)
	}
}

// TestNodeInfo: 2.0 as GoToSocial takes it, 2.1 with the repository, and the instance actor (FEP-2677).
func TestNodeInfo(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	base := to.b.Ledger.Instance().BaseURL
	links, err := vocab.ParseNodeInfoLinks(body(t, to.get(base+"/.well-known/nodeinfo", "")))
	to.must(err)
	if links.Actor != base+"/actor" {
		t.Errorf("the instance actor is %q", links.Actor)
	}
	for version, address := range map[string]string{"2.0": links.V20, "2.1": links.V21} {
		r := to.get(address, "application/json")
		if want := `application/json; profile="http://nodeinfo.diaspora.software/ns/schema/` + version + `#"`; r.Header.Get("Content-Type") != want {
			t.Errorf("%s: %s", version, r.Header.Get("Content-Type"))
		}
		raw := body(t, r)
		n, err := vocab.ParseNodeInfo(raw)
		to.must(err)
		if n.Version != version || n.SoftwareName != "flattrd" || n.SoftwareVersion != "test" {
			t.Errorf("%s: %+v", version, n)
		}
		if usage := decode(t, raw)["usage"].(map[string]any); usage["localPosts"] != 1.0 || usage["users"].(map[string]any)["total"] != 2.0 {
			t.Errorf("%s: %v", version, usage)
		}
		if (n.Repository != "") != (version == "2.1") {
			t.Errorf("%s: repository %q", version, n.Repository)
		}
	}
	for _, version := range []string{"1.0", "2.2", "2"} {
		if r := to.get(base+"/nodeinfo/"+version, ""); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", version, r.Status)
		}
	}
}

// TestFallback: what has no route here, and what has one for another method, is for the pages.
func TestFallback(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	h := to.b.Server.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	to.Serve(to.b.Ledger.Instance().Host, h)
	base := to.b.Ledger.Instance().BaseURL
	for method, paths := range map[string][]string{
		http.MethodGet:  {"/", "/@bob", "/inbox", "/users/bob/inbox", "/users/bob/nothing", "/users"},
		http.MethodPost: {"/actor", "/users/bob", "/.well-known/webfinger"},
	} {
		for _, path := range paths {
			r, err := http.NewRequest(method, base+path, nil)
			to.must(err)
			if got := to.Do(r).StatusCode; got != http.StatusTeapot {
				t.Errorf("%s %s: %d", method, path, got)
			}
		}
	}
	r, err := http.NewRequest(http.MethodHead, to.bobIRI, nil)
	to.must(err)
	r.Header.Set("Accept", as2)
	if got := to.Do(r); got.StatusCode != http.StatusOK {
		t.Errorf("HEAD of an actor: %s", got.Status)
	}
}

// TestProposal: the standing request for what others owe our members (FEP-0837), in our currency only.
func TestProposal(t *testing.T) {
	t.Parallel()
	to := newTown(t)
	base := to.b.Ledger.Instance().BaseURL
	r := to.get(base+"/proposals/eur", as2)
	doc, err := vocab.Decode(body(t, r))
	to.must(err)
	p, err := vocab.ParseProposal(doc)
	to.must(err)
	if p.ID != base+"/proposals/eur" || p.AttributedTo != base+"/actor" || p.AssetCode != "EUR" {
		t.Errorf("%+v", p)
	}
	if r := to.get(base+"/proposals/usd", as2); r.StatusCode != http.StatusNotFound {
		t.Errorf("another currency: %s", r.Status)
	}
	actor := to.object(base + "/actor")
	var hrefs []string
	for _, link := range actor["attachment"].([]any) {
		hrefs = append(hrefs, link.(map[string]any)["href"].(string))
	}
	if !slices.Contains(hrefs, p.ID) {
		t.Errorf("the instance actor doesn't lead to it: %v", hrefs)
	}
}
