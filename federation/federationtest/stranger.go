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

// Stranger is one person on a server of other software: an actor that can be fetched, signs what it
// posts, and keeps what it is sent.
type Stranger struct {
	Host, Actor string
	Key         signature.PrivateKey
	Document    vocab.Actor // what the server says of the actor; may be changed before it is fetched

	w    *World
	mu   sync.Mutex
	post int
	got  []vocab.Document
}

// Stranger makes a person on a host of their own.
func (w *World) Stranger(name string) *Stranger {
	w.t.Helper()
	host := HostName(name)
	actor := "http://" + host + "/users/" + name
	text, err := rsaPEM(actor)
	w.must(err)
	key, err := signature.ParsePrivatePEM(actor+"#main-key", actor, text)
	w.must(err)
	public, err := key.Public().PEM()
	w.must(err)
	s := &Stranger{Host: host, Actor: actor, Key: key, w: w, Document: vocab.Actor{ID: actor, Type: "Person",
		PreferredUsername: name, Name: name, Inbox: actor + "/inbox", Outbox: actor + "/outbox",
		PublicKeys: []vocab.PublicKey{{ID: key.ID, Owner: actor, PEM: public}}}}
	w.Serve(host, s)
	return s
}

// ServeHTTP serves the actor and takes what comes.
func (s *Stranger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == strings.TrimPrefix(s.Actor, "http://"+s.Host)+"/inbox":
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, vocab.MaxBytes))
		if err == nil {
			err = s.keep(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodGet && "http://"+s.Host+r.URL.Path == s.Actor:
		body, err := vocab.RenderActor(s.Document)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", vocab.AS2MediaType)
		_, _ = w.Write(body)
	default:
		http.NotFound(w, r)
	}
}

func (s *Stranger) keep(body []byte) error {
	doc, err := vocab.Decode(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, doc)
	return err
}

// Got returns what has come into the inbox.
func (s *Stranger) Got() []vocab.Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]vocab.Document{}, s.got...)
}

// NewID makes an id for an activity of the stranger's.
func (s *Stranger) NewID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.post++
	return fmt.Sprintf("http://%s/activities/%d", s.Host, s.post)
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
	body, err := vocab.RenderFollow(vocab.Follow{ID: "http://" + s.Host + "/follows" + member[len("http://"):], Actor: s.Actor, Object: member})
	s.w.must(err)
	return s.Post(member+"/inbox", body).Status
}

// Unfollow takes that back.
func (s *Stranger) Unfollow(member string) string {
	s.w.t.Helper()
	id := "http://" + s.Host + "/follows" + member[len("http://"):]
	body := fmt.Sprintf(`{"@context":"https://www.w3.org/ns/activitystreams","id":%q,"type":"Undo","actor":%q,
		"object":{"id":%q,"type":"Follow","actor":%q,"object":%q}}`, id+"#undo", s.Actor, id, s.Actor, member)
	return s.Post(member+"/inbox", []byte(body)).Status
}
