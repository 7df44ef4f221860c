package federation

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// errNoPayee: what was found has an author, but nobody whom we could pay.
var errNoPayee = errors.New("nobody who can be paid")

// remoteThing is what stands at an address elsewhere.
type remoteThing struct {
	ledger.RemoteThing
	handle string // of its author, name@host in lower case
}

// unpayable says what else can be done with an address at which nobody stands who can be paid: a page whose payee is
// proven is that payee's button, anything else that is there can wait (*ledger.UnclaimedError).
func (s *Server) unpayable(ctx context.Context, iri string, r remoteThing, err error) (ledger.Thing, error) {
	switch {
	case errors.Is(err, errNoPayee):
		return ledger.Thing{}, s.unclaimed(ledger.UnclaimedThing{IRI: r.IRI, URL: r.URL, Title: r.Title, Author: r.Payee,
			AuthorName: r.PayeeName, Handle: r.handle})
	case guard.CodeOf(err) == guard.CodeContentType, guard.StatusOf(err) == http.StatusNotAcceptable:
		return s.resolvePage(ctx, iri)
	}
	return ledger.Thing{}, s.thingError(ctx, iri, err)
}

// unclaimed tells what was found; it isn't stored before somebody flattrs it.
func (s *Server) unclaimed(u ledger.UnclaimedThing) error {
	u.Site = hostIn(u.URL)
	return &ledger.UnclaimedError{Thing: u}
}

// hostIn is the host of an address as it stands there.
func hostIn(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// resolvePage reads a page that is no document.
func (s *Server) resolvePage(ctx context.Context, address string) (ledger.Thing, error) {
	p, err := s.readPage(ctx, address)
	if err != nil {
		return ledger.Thing{}, s.thingError(ctx, address, err)
	}
	t, err := s.payeeOf(ctx, p)
	if !errors.Is(err, errNoPayee) {
		return t, err
	}
	return t, s.unclaimed(ledger.UnclaimedThing{IRI: p.URL, URL: p.URL, Title: p.Title, Handle: p.Creator})
}

// maxElsewhere is how many buttons of other instances are looked up for one page.
const maxElsewhere = 2

// payeeOf finds the button of a page whose payee is proven both ways (protocol §5.2): the page links to the button or its
// owner, and the button is for the page. A button alone proves nothing: anybody can make one for any page.
func (s *Server) payeeOf(ctx context.Context, p webPage) (ledger.Thing, error) {
	if name, host, _ := strings.Cut(p.Creator, "@"); host == s.inst.Host {
		if t, err := s.ownButton(ctx, s.inst.MemberIRI(name), p.URL); !errors.Is(err, errNoPayee) {
			return t, err
		}
	}
	elsewhere := 0
	for _, to := range p.Payment {
		t, err := ledger.Thing{}, errNoPayee
		switch host, bad := s.web.Host(to); {
		case bad != nil:
		case host == s.inst.Host:
			t, err = s.ownButton(ctx, to, p.URL)
		case elsewhere < maxElsewhere:
			elsewhere++
			t, err = s.buttonElsewhere(ctx, host, to, p.URL)
		}
		if !errors.Is(err, errNoPayee) {
			return t, err
		}
	}
	return ledger.Thing{}, errNoPayee
}

// ownButton is the button of ours for a page that an address here stands for: a button's, or its owner's.
func (s *Server) ownButton(ctx context.Context, to, page string) (ledger.Thing, error) {
	path, _, _ := strings.Cut(strings.TrimPrefix(to, s.inst.BaseURL), "?")
	var b ledger.Button
	err := ledger.ErrNotFound
	for _, prefix := range []string{"/f/", "/buttons/"} {
		if id, ok := strings.CutPrefix(path, prefix); ok {
			b, err = s.ledger.Button(ctx, id)
		}
	}
	for _, prefix := range []string{"/@", "/users/"} {
		if name, ok := strings.CutPrefix(path, prefix); ok {
			b, err = s.ledger.ButtonByURL(ctx, strings.TrimSuffix(name, "/flattr"), page)
		}
	}
	if errors.Is(err, ledger.ErrNotFound) || err == nil && (b.URL != page || b.RemovedAt != nil) {
		return ledger.Thing{}, errNoPayee
	}
	if err != nil {
		return ledger.Thing{}, err
	}
	return s.ledger.ThingByIRI(ctx, s.inst.ButtonIRI(b.ID))
}

// buttonElsewhere is another instance's button for a page, by its id or by the page that it has there.
func (s *Server) buttonElsewhere(ctx context.Context, host, to, page string) (ledger.Thing, error) {
	r, err := s.remoteThing(ctx, host, to)
	if guard.CodeOf(err) == guard.CodeContentType {
		var p webPage
		if p, err = s.readPageOnce(ctx, to); err == nil {
			r, err = s.remoteThing(ctx, host, p.Alternate)
		}
	}
	if err != nil || r.URL != page || s.takesCurrency(ctx, host) != nil {
		return ledger.Thing{}, errNoPayee // by what can be seen now
	}
	t, err := s.ledger.SaveThing(ctx, r.RemoteThing)
	if errors.Is(err, ledger.ErrConflict) {
		err = errNoPayee
	}
	return t, err
}

// lookAgain finds out whether somebody can be paid by now for what waits. It tells nobody anything, and isn't tried
// again by itself: the ledger says when to look next.
func (s *Server) lookAgain(ctx context.Context, m ledger.Message) error {
	id, err := strconv.ParseInt(m.Key, 10, 64)
	if err != nil {
		return err
	}
	u, err := s.ledger.UnclaimedThing(ctx, id)
	if err != nil {
		return err
	}
	t, err := s.ResolveThing(ctx, u.IRI)
	if err == nil {
		err = s.ledger.Payable(ctx, u.ID, t.ID)
	}
	if errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrConflict) {
		return nil
	}
	return err
}

// currencies remembers which hosts take ours.
type currencies struct {
	mu    sync.Mutex
	until map[string]time.Time
}

const (
	currencyFor   = 24 * time.Hour
	maxCurrencies = 10_000
)

// takesCurrency: a claim is an offer to the peer's standing request for our currency (protocol §8); who has none can't be
// paid by us, and what is flattred there waits.
func (s *Server) takesCurrency(ctx context.Context, host string) error {
	c, now := &s.currencies, s.ledger.Now()
	c.mu.Lock()
	known := now.Before(c.until[host])
	c.mu.Unlock()
	if known {
		return nil
	}
	doc, err := s.client.FetchAS2(ctx, s.scheme()+"://"+host+"/proposals/"+lower(s.inst.Currency))
	if guard.IsTemporary(err) {
		return err
	}
	p, fault := vocab.ParseProposal(doc)
	if err != nil || fault != nil || p.AssetCode != s.inst.Currency {
		return errNoPayee
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until == nil || len(c.until) >= maxCurrencies {
		c.until = map[string]time.Time{}
	}
	c.until[host] = now.Add(currencyFor)
	return nil
}
