package federation

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// Whoever sends us a signature makes us fetch its key: anybody can name any key. So what came of a
// fetch is remembered for a while, and the next that names the same key gets that. The document is
// remembered too, and not only that a signature was bad: else whoever forges somebody's signature
// would lock that somebody out.
const (
	refetchAfter = 5 * time.Minute
	refetchSoon  = 3 * time.Second // what failed for the moment only: the other side may just be restarting
	maxLookups   = 10_000
	maxLookedUp  = 8 << 20 // bytes of documents; when either is reached, the memory starts anew
)

// lookups is the memory of keys' owners, by key id, and of what was asked of their hosts.
type lookups struct {
	now    func() time.Time
	mu     sync.Mutex
	byKey  map[string]*lookup
	bytes  int
	askers map[string]*asker
}

// lookup is one fetch. Those who come while it is under way wait for it.
type lookup struct {
	once  sync.Once
	until time.Time // when it is forgotten
	owner remote
	err   error
	asker *asker // with a token that comes back when the key proves a signature; nil without one
}

// of returns the lookup of a key: one that isn't too old, or a new one.
func (m *lookups) of(keyID string) *lookup {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.byKey[keyID]; l != nil && m.now().Before(l.until) {
		return l
	}
	if m.byKey == nil || len(m.byKey) >= maxLookups || m.bytes >= maxLookedUp {
		m.byKey, m.bytes = map[string]*lookup{}, 0
	}
	l := &lookup{until: m.now().Add(refetchAfter)}
	m.byKey[keyID] = l
	return l
}

// grow counts what a lookup has brought, and lets a passing failure be forgotten soon.
func (m *lookups) grow(l *lookup, passing bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += l.owner.size()
	if passing {
		l.until = m.now().Add(refetchSoon)
	}
}

// proven is for a key that has proven a signature: fetching it isn't held against its host.
func (m *lookups) proven(keyID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.byKey[keyID]; l != nil && l.asker != nil {
		l.asker.tokens = min(l.asker.tokens+1, failuresPerHost)
		l.asker = nil
	}
}

// forget is for a key that is stored: when its owner rotates it, it is fetched at once.
func (m *lookups) forget(keyID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byKey, keyID)
}

// keyOwner fetches the actor that a key id leads to, or returns what came of it a short while ago.
func (s *Server) keyOwner(ctx context.Context, keyID string) (remote, error) {
	return s.lookUp(ctx, keyID, s.lookups.of(keyID))
}

func (s *Server) lookUp(ctx context.Context, keyID string, l *lookup) (remote, error) {
	l.once.Do(func() {
		// Others wait for this: it doesn't end with the request that happened to come first.
		l.owner, l.err = s.askKeyOwner(context.WithoutCancel(ctx), keyID, l)
		s.lookups.grow(l, guard.IsTemporary(l.err) || errors.Is(l.err, errHostBusy))
		l.err = keyRefusal(l.err)
	})
	return l.owner, l.err
}

// askKeyOwner fetches it when its host's turn has come.
func (s *Server) askKeyOwner(ctx context.Context, keyID string, l *lookup) (remote, error) {
	host, err := s.web.Host(keyID)
	if err != nil {
		return remote{}, err
	}
	done, err := s.lookups.ask(host, l)
	if err != nil {
		return remote{}, err
	}
	defer done()
	return s.fetchKeyOwner(ctx, keyID)
}

// fetchKeyOwner fetches the actor that a key id leads to: the document at the id is the actor, or a
// key whose owner is fetched in turn and must live on the same host.
func (s *Server) fetchKeyOwner(ctx context.Context, keyID string) (remote, error) {
	at, _, _ := strings.Cut(keyID, "#")
	doc, err := s.client.FetchAS2(ctx, at)
	if err != nil {
		return remote{}, err
	}
	if a, err := asActor(doc); err == nil {
		return a, nil
	}
	key, err := vocab.ParsePublicKey(doc)
	if err != nil {
		return remote{}, err
	}
	if !s.web.SameHost(key.Owner, keyID) {
		return remote{}, refuse(http.StatusForbidden, "sig.owner", vocab.PrincipalActorMismatch,
			"key and owner are on different hosts")
	}
	return s.fetchActor(ctx, key.Owner)
}

// keyRefusal: a key that can't be had now may be had later, so that the sender keeps the message;
// one that isn't one never will. What went wrong is logged and not told: it would say how our network
// looks from inside.
func keyRefusal(err error) error {
	if err == nil {
		return nil
	}
	f := refuse(http.StatusUnauthorized, "sig.key", vocab.PrincipalNotAuthorized, "keyId leads to no key")
	switch code := guard.CodeOf(err); {
	case errors.As(err, &f):
		return f
	case code == guard.CodeBlocked:
		f = refuse(http.StatusForbidden, "net.blocked", vocab.ActorNotAuthorized, "the address of keyId isn't public")
	case guard.IsTemporary(err), errors.Is(err, errHostBusy):
		f = refuse(http.StatusServiceUnavailable, "sig.key-unreachable", "", "the key of keyId couldn't be fetched")
	case code == "" || code == guard.CodeContentType || code == guard.CodeDocument:
		f = refuse(http.StatusForbidden, "sig.owner", vocab.PrincipalActorMismatch, "what stands at keyId proves no owner")
	}
	f.cause = err
	return f
}
