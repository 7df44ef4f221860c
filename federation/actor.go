package federation

import (
	"context"
	"html"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// implements says what our actors understand (FEP-844e): the first is what makes a peer.
var implements = []vocab.Feature{
	{Href: vocab.V1, Name: "Flattr protocol 1"},
	{Href: "https://datatracker.ietf.org/doc/html/rfc9421", Name: "RFC-9421"},
	{Href: "https://w3id.org/fep/8b32", Name: "Object integrity proofs"},
}

// instanceActor is the server itself: it signs fetches, and its accounting key makes claims valid.
func (s *Server) instanceActor(r *http.Request) (answer, error) {
	ctx, id := r.Context(), s.inst.ActorIRI()
	a := vocab.Actor{ID: id, Type: "Application", PreferredUsername: s.inst.Host, Name: s.inst.Name,
		URL: s.inst.BaseURL + "/about", Inbox: id + "/inbox", Outbox: id + "/outbox",
		Followers: id + "/followers", Following: id + "/following", SharedInbox: s.inst.BaseURL + "/inbox",
		Implements: implements, Links: []vocab.Link{s.proposalLink()}}
	err := s.publishKeys(ctx, &a)
	if err != nil {
		return answer{}, err
	}
	if a.Rotations, err = s.rotations(ctx); err != nil {
		return answer{}, err
	}
	money, err := s.moneyKey(ctx)
	if err != nil {
		return answer{}, err
	}
	text, err := money.Public().Multikey()
	if err != nil {
		return answer{}, err
	}
	a.AssertionMethods = append(a.AssertionMethods, vocab.Multikey{ID: money.ID, Controller: id, Multibase: text})
	return as2(vocab.RenderActor(a))
}

func (s *Server) proposalLink() vocab.Link {
	return vocab.Link{Name: "Flattr settlement", Href: s.proposalIRI(), MediaType: vocab.LDMediaType,
		Rel: []string{"payment", "https://w3id.org/valueflows/ont/vf#Proposal"}}
}

// publishKeys adds an actor's own keys.
func (s *Server) publishKeys(ctx context.Context, a *vocab.Actor) error {
	rsa, err := s.key(ctx, rsaKey(a.ID))
	if err != nil {
		return err
	}
	text, err := rsa.Public().PEM()
	if err != nil {
		return err
	}
	a.PublicKeys = []vocab.PublicKey{{ID: rsa.ID, Owner: a.ID, PEM: text}}
	ed, err := s.key(ctx, edKey(a.ID))
	if err != nil {
		return err
	}
	multi, err := ed.Public().Multikey()
	if err != nil {
		return err
	}
	a.AssertionMethods = []vocab.Multikey{{ID: ed.ID, Controller: a.ID, Multibase: multi}}
	return nil
}

// member finds the member that a path names.
func (s *Server) member(r *http.Request) (ledger.Member, error) {
	return s.ledger.MemberByName(r.Context(), chi.URLParam(r, "name"))
}

// memberActor is a member as the fediverse sees it; 410 with a Tombstone once deleted.
func (s *Server) memberActor(r *http.Request) (answer, error) {
	m, err := s.member(r)
	if err != nil {
		return answer{}, err
	}
	id := s.inst.MemberIRI(m.Name)
	if m.DeletedAt != nil {
		a, err := as2(vocab.RenderTombstone(vocab.Tombstone{ID: id, FormerType: "Person", Deleted: *m.DeletedAt}))
		a.gone = true
		return a, err
	}
	a := vocab.Actor{ID: id, Type: "Person", PreferredUsername: m.Name, Name: m.DisplayName,
		URL: s.inst.BaseURL + "/@" + m.Name, Published: m.CreatedAt, Discoverable: true,
		Inbox: id + "/inbox", Outbox: id + "/outbox", SharedInbox: s.inst.BaseURL + "/inbox",
		Followers: id + "/followers", Following: id + "/following", Featured: id + "/featured",
		Links: []vocab.Link{{Name: "Flattr", Href: s.inst.BaseURL + "/@" + m.Name, MediaType: "text/html",
			Rel: []string{"payment"}}},
		Implements: implements, AcceptsFlattrs: true}
	if err := s.publishKeys(r.Context(), &a); err != nil {
		return answer{}, err
	}
	return as2(vocab.RenderActor(a))
}

// memberList serves a member's collections. The outbox and featured list buttons; who follows is
// told as a number only.
func (s *Server) memberList(list string) func(*http.Request) (answer, error) {
	return func(r *http.Request) (answer, error) {
		m, err := s.member(r)
		if err != nil {
			return answer{}, err
		}
		if m.DeletedAt != nil {
			return answer{}, ledger.ErrNotFound
		}
		c := vocab.Collection{ID: s.inst.MemberIRI(m.Name) + "/" + list}
		switch list {
		case "followers":
			c.TotalItems, err = s.ledger.Followers(r.Context(), m.ID)
		case "outbox", "featured":
			err = s.listButtons(r.Context(), m, list, &c)
		}
		if err != nil {
			return answer{}, err
		}
		return as2(vocab.RenderCollection(c))
	}
}

// listButtons puts a member's newest buttons into a collection: published in the outbox, as they
// are in featured.
func (s *Server) listButtons(ctx context.Context, m ledger.Member, list string, c *vocab.Collection) error {
	all, err := s.ledger.Buttons(ctx, m.ID)
	if err != nil {
		return err
	}
	c.TotalItems = int64(len(all))
	for _, b := range all[:min(len(all), 20)] {
		if list == "featured" {
			c.Items = append(c.Items, vocab.Item{ID: s.inst.ButtonIRI(b.ID)})
			continue
		}
		body, err := s.renderCreate(b)
		if err != nil {
			return err
		}
		c.Items = append(c.Items, vocab.Item{ID: s.inst.ButtonIRI(b.ID) + "#create", Object: body})
	}
	return nil
}

func (s *Server) emptyList(path string) func(*http.Request) (answer, error) {
	return func(*http.Request) (answer, error) {
		return as2(vocab.RenderCollection(vocab.Collection{ID: s.inst.BaseURL + path}))
	}
}

// page is a button as a Page (protocol §3).
func (s *Server) page(b ledger.Button) vocab.Page {
	owner := s.inst.MemberIRI(b.OwnerName)
	return vocab.Page{ID: s.inst.ButtonIRI(b.ID), URL: b.URL, Name: b.Title, Summary: html.EscapeString(b.Summary),
		AttributedTo: owner, Likes: s.inst.ButtonIRI(b.ID) + "/likes", TotalLikes: b.Flattrs, Published: b.CreatedAt,
		To: []string{vocab.Public}, CC: []string{owner + "/followers"}}
}

// renderCreate is the publication of a button. Its id and content are the same whenever it is told.
func (s *Server) renderCreate(b ledger.Button) ([]byte, error) {
	p := s.page(b)
	p.TotalLikes = 0
	return vocab.RenderCreatePage(p.ID+"#create", p)
}

func (s *Server) button(r *http.Request) (answer, error) {
	b, err := s.ledger.Button(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		return answer{}, err
	}
	if b.RemovedAt != nil {
		a, err := as2(vocab.RenderTombstone(vocab.Tombstone{ID: s.inst.ButtonIRI(b.ID), FormerType: "Page", Deleted: *b.RemovedAt}))
		a.gone = true
		return a, err
	}
	page, err := s.splitPage(r.Context(), b)
	if err != nil {
		return answer{}, err
	}
	return as2(vocab.RenderPage(page))
}

// buttonLikes tells how many, never who.
func (s *Server) buttonLikes(r *http.Request) (answer, error) {
	b, err := s.ledger.Button(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		return answer{}, err
	}
	return as2(vocab.RenderCollection(vocab.Collection{ID: s.inst.ButtonIRI(b.ID) + "/likes", TotalItems: b.Flattrs}))
}

func (s *Server) proposalIRI() string { return s.inst.BaseURL + "/proposals/" + lower(s.inst.Currency) }

// proposal is the standing request for what others owe our members (FEP-0837).
func (s *Server) proposal(r *http.Request) (answer, error) {
	if chi.URLParam(r, "currency") != lower(s.inst.Currency) {
		return answer{}, ledger.ErrNotFound
	}
	return as2(vocab.RenderProposal(vocab.Proposal{ID: s.proposalIRI(), AttributedTo: s.inst.ActorIRI(),
		AssetCode: s.inst.Currency}))
}
