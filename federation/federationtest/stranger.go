package federationtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// Stranger is one actor on a server of other software: it can be fetched, signs what it posts, and keeps
// what it is sent. What the server says of it is for the test to change.
type Stranger struct {
	Host, Actor string
	Key         signature.PrivateKey
	Accounting  signature.PrivateKey // of a Peer
	Document    vocab.Actor          // what stands at Actor

	w      *World
	mu     sync.Mutex
	made   int
	got    []vocab.Document
	asked  map[string]int
	served map[string]document
}

// document is what else a stranger's server serves.
type document struct {
	status      int
	media, body string
}

// Stranger makes a person on a host of their own, by the name of the host.
func (w *World) Stranger(name string) *Stranger {
	return w.stranger(name, "http://"+HostName(name)+"/users/"+name, "Person")
}

// Peer makes an instance of other make that speaks the flattr protocol: an instance actor that is found
// by its host and has an accounting key.
func (w *World) Peer(name string) *Stranger {
	w.t.Helper()
	s := w.stranger(name, "http://"+HostName(name)+"/actor", "Application")
	var err error
	s.Accounting, err = signature.GenerateEd25519(s.Actor+"#accounting-key", s.Actor)
	w.must(err)
	text, err := s.Accounting.Public().Multikey()
	w.must(err)
	s.Document.AssertionMethods = []vocab.Multikey{{ID: s.Accounting.ID, Controller: s.Actor, Multibase: text}}
	s.Document.Implements = []vocab.Feature{{Href: vocab.V1}}
	s.Document.AcceptsFlattrs = true
	jrd, err := vocab.RenderJRD(vocab.JRD{Subject: "http://" + s.Host + "/",
		Links: []vocab.JRDLink{{Rel: vocab.RelSelf, Type: vocab.AS2MediaType, Href: s.Actor}}})
	w.must(err)
	s.Say("/.well-known/webfinger", http.StatusOK, vocab.JRDMediaType, string(jrd))
	s.Takes("EUR")
	return s
}

// Takes has a peer take a currency: it publishes a standing request for it.
func (s *Stranger) Takes(currency string) {
	s.w.t.Helper()
	path := "/proposals/" + strings.ToLower(currency)
	proposal, err := vocab.RenderProposal(vocab.Proposal{ID: "http://" + s.Host + path, AttributedTo: s.Actor, AssetCode: currency})
	s.w.must(err)
	s.Say(path, http.StatusOK, vocab.AS2MediaType, string(proposal))
}

// Refuses has it take that currency no more.
func (s *Stranger) Refuses(currency string) {
	s.Say("/proposals/"+strings.ToLower(currency), http.StatusNotFound, "text/plain", "not found")
}

func (w *World) stranger(name, actor, kind string) *Stranger {
	w.t.Helper()
	text, err := rsaPEM(actor)
	w.must(err)
	key, err := signature.ParsePrivatePEM(actor+"#main-key", actor, text)
	w.must(err)
	s := &Stranger{Host: HostName(name), Actor: actor, w: w, asked: map[string]int{}, served: map[string]document{},
		Document: vocab.Actor{ID: actor, Type: kind, PreferredUsername: name, Name: name, Inbox: actor + "/inbox", Outbox: actor + "/outbox"}}
	s.UseKey(key)
	w.Serve(s.Host, s)
	return s
}

// UseKey signs with another key from now on, and publishes it.
func (s *Stranger) UseKey(key signature.PrivateKey) {
	s.w.t.Helper()
	text, err := key.Public().PEM()
	s.w.must(err)
	s.Key = key
	s.Document.PublicKeys = []vocab.PublicKey{{ID: key.ID, Owner: key.Owner, PEM: text}}
}

// Say serves a document at a path of the stranger's host: with exactly this query, or else whatever the query.
func (s *Stranger) Say(path string, status int, media, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served[path] = document{status, media, body}
}

// Asked is how often a path was fetched.
func (s *Stranger) Asked(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

// ServeHTTP serves what there is and takes what comes.
func (s *Stranger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	said, ok := s.served[r.URL.RequestURI()]
	if !ok {
		said, ok = s.served[r.URL.Path]
	}
	switch {
	case r.Method == http.MethodPost:
		s.take(w, r)
		return
	case ok:
	case "http://"+s.Host+r.URL.Path == s.Actor:
		body, err := vocab.RenderActor(s.Document)
		if said = (document{http.StatusOK, vocab.AS2MediaType, string(body)}); err != nil {
			said = document{http.StatusInternalServerError, "text/plain", err.Error()}
		}
	default:
		said = document{http.StatusNotFound, "text/plain", "not found"}
	}
	s.asked[r.URL.Path]++
	w.Header().Set("Content-Type", said.media)
	w.WriteHeader(said.status)
	_, _ = io.WriteString(w, said.body)
}

// take keeps a message, or answers it as Say has it for the inbox's path.
func (s *Stranger) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, vocab.MaxBytes))
	var doc vocab.Document
	if err == nil {
		doc, err = vocab.Decode(body)
	}
	said, ok := s.served[r.URL.Path]
	switch {
	case err != nil:
		said = document{http.StatusBadRequest, "text/plain", err.Error()}
	case !ok:
		said.status = http.StatusAccepted
		s.got = append(s.got, doc)
	}
	w.WriteHeader(said.status)
	_, _ = io.WriteString(w, said.body)
}

// Got returns what has come into the inbox.
func (s *Stranger) Got() []vocab.Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]vocab.Document{}, s.got...)
}

// NewID makes an id on the stranger's host.
func (s *Stranger) NewID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	return fmt.Sprintf("http://%s/activities/%d", s.Host, s.made)
}

// Request is a signed POST to an inbox of this world.
func (s *Stranger) Request(inbox string, body []byte) *http.Request {
	s.w.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, inbox, bytes.NewReader(body))
	s.w.must(err)
	r.Header.Set("Content-Type", vocab.AS2MediaType)
	s.w.must(signature.SignCavage(r, body, s.Key, s.w.Clock.Now()))
	return r
}

// Post signs a body, posts it to an inbox of this world, and returns the answer.
func (s *Stranger) Post(inbox string, body []byte) *http.Response {
	s.w.t.Helper()
	return s.w.Do(s.Request(inbox, body))
}

// PostProven does the same with the accounting key's proof over the body.
func (s *Stranger) PostProven(inbox string, body []byte) *http.Response {
	s.w.t.Helper()
	proven, err := signature.Prove(body, s.Accounting, s.w.Clock.Now())
	s.w.must(err)
	return s.Post(inbox, proven)
}

// Do hands a request to whoever it is for, without a connection between them.
func (w *World) Do(r *http.Request) *http.Response {
	w.t.Helper()
	answer := httptest.NewRecorder()
	r.Host, r.RequestURI = r.URL.Host, r.URL.RequestURI()
	w.serve(answer, r)
	return answer.Result()
}

// Follow follows a member of an instance and returns the status of the answer.
func (s *Stranger) Follow(member string) string {
	s.w.t.Helper()
	body, err := vocab.RenderFollow(vocab.Follow{ID: s.followID(member), Actor: s.Actor, Object: member})
	s.w.must(err)
	return s.Post(member+"/inbox", body).Status
}

// Unfollow takes that back.
func (s *Stranger) Unfollow(member string) string {
	s.w.t.Helper()
	id := s.followID(member)
	body := fmt.Sprintf(`{"@context":"https://www.w3.org/ns/activitystreams","id":%q,"type":"Undo","actor":%q,
		"object":{"id":%q,"type":"Follow","actor":%q,"object":%q}}`, id+"#undo", s.Actor, id, s.Actor, member)
	return s.Post(member+"/inbox", []byte(body)).Status
}

func (s *Stranger) followID(member string) string {
	return "http://" + s.Host + "/follows" + strings.TrimPrefix(member, "http:/")
}
