package federation

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// receiveSplit takes a version of a thing's split, for members of ours to answer (protocol §3). The thing is what its
// home's accounting key signs for.
func (s *Server) receiveSplit(ctx context.Context, m message) error {
	o, err := vocab.ParseSplitOffer(m.Document)
	if err != nil {
		return err
	}
	p, err := s.moneySender(ctx, m)
	if err != nil {
		return err
	}
	if !s.web.SameHost(o.Page, m.actor) || !s.web.SameHost(o.Owner, m.actor) || o.To != s.inst.ActorIRI() {
		return refuse(http.StatusForbidden, "split.owner", vocab.ActorNotAuthorized, "object and attributedTo must be on the actor's host, to must be us")
	}
	return s.ledger.ReceiveSplit(ctx, ledger.SplitOffer{IRI: o.ID, Host: p.Host, Version: int32(o.Version), Authors: ledgerAuthors(o.Authors), Document: m.Raw(),
		Thing: ledger.RemoteThing{IRI: o.Page, URL: o.URL, Title: o.Title, Payee: o.Owner, PayeeName: o.OwnerName, Host: p.Host}})
}

// receiveSplitAnswer takes what an author's home answers.
func (s *Server) receiveSplitAnswer(ctx context.Context, m message) error {
	a, err := vocab.ParseSplitAnswer(m.Document)
	if err != nil {
		return err
	}
	p, err := s.moneySender(ctx, m)
	if err != nil {
		return err
	}
	return s.ledger.SplitAnswered(ctx, ledger.SplitAnswer{IRI: a.Object, Host: p.Host, Payee: a.Payee,
		Consent: a.Verdict == vocab.Accepted, Document: m.Raw()})
}

// receiveSplitWithdrawn takes an offer back.
func (s *Server) receiveSplitWithdrawn(ctx context.Context, m message) error {
	object, err := m.Ref("object")
	if err != nil {
		return err
	}
	p, err := s.moneySender(ctx, m)
	if err != nil {
		return err
	}
	return s.ledger.SplitTakenBack(ctx, object, p.Host)
}

// receivePage takes what a thing's owner says of it anew, if it is one that is known here.
func (s *Server) receivePage(ctx context.Context, m message) error {
	object, _, err := m.Embedded("object")
	if err != nil {
		return err
	}
	page, err := vocab.ParsePage(object)
	if err != nil {
		return err
	}
	if page.AttributedTo != m.actor || !s.web.SameHost(page.ID, m.actor) {
		return refuse(http.StatusForbidden, "ap.owner", vocab.ActorNotAuthorized, "object isn't the actor's")
	}
	known, err := s.ledger.ThingByIRI(ctx, page.ID)
	if err != nil {
		return nil // nobody here has met it
	}
	_, err = s.ledger.SaveThing(ctx, ledger.RemoteThing{IRI: page.ID, URL: cmp.Or(page.URL, known.URL), Title: cmp.Or(page.Name, known.Title), Payee: page.AttributedTo,
		PayeeName: known.PayeeName, Host: m.host, Splits: toldSplits(page.Splits)})
	return err
}

func ledgerAuthors(authors []vocab.Author) []ledger.Author {
	all := make([]ledger.Author, len(authors))
	for i, a := range authors {
		all[i] = ledger.Author{Payee: a.Payee, Name: a.Name, Weight: int32(a.Weight)}
	}
	return all
}

func toldSplits(splits []vocab.Split) []ledger.ToldSplit {
	all := make([]ledger.ToldSplit, len(splits))
	for i, v := range splits {
		all[i] = ledger.ToldSplit{IRI: v.ID, Version: int32(v.Version), Period: v.Period, Authors: ledgerAuthors(v.Authors)}
	}
	return all
}

func wireSplit(v ledger.SplitVersion) vocab.Split {
	w := vocab.Split{ID: v.IRI, Version: int64(v.Version)}
	if v.Period != nil {
		w.Period = *v.Period
	}
	for _, p := range v.Parts {
		w.Authors = append(w.Authors, vocab.Author{Payee: p.Payee, Name: p.PayeeName, Weight: int64(p.Weight)})
	}
	return w
}

// splitPage is a button with the versions of its split that everybody has consented to.
func (s *Server) splitPage(ctx context.Context, b ledger.Button) (vocab.Page, error) {
	page := s.page(b)
	t, err := s.ledger.ThingByIRI(ctx, page.ID)
	if err != nil {
		return page, err
	}
	all, err := s.ledger.Splits(ctx, t.ID)
	for _, v := range all {
		if v.State == ledger.SplitConsented {
			page.Splits = append(page.Splits, wireSplit(v))
			page.Updated = *v.DecidedAt
		}
	}
	return page, err
}

// writeSplit renders an offer, an answer to one, or that it is taken back, each with the accounting key's proof.
func (s *Server) writeSplit(ctx context.Context, m ledger.Message) (letter, error) {
	p, err := s.meet(ctx, m.To)
	if err != nil {
		return letter{}, err
	}
	iri, payee, _ := strings.Cut(m.Key, " ")
	v, err := s.ledger.SplitByIRI(ctx, iri)
	if err != nil {
		return letter{}, err
	}
	switch m.Kind {
	case ledger.TellSplitAnswer:
		return s.writeSplitAnswer(ctx, p, v, payee)
	case ledger.TellSplitWithdrawn:
		return s.money(ctx, p, iri+"#withdrawn", *v.DecidedAt, func() ([]byte, error) {
			return vocab.RenderSplitWithdrawn(vocab.Undo{ID: iri + "/withdrawn", Actor: s.inst.ActorIRI(), Object: iri, To: []string{p.Actor}, Published: *v.DecidedAt})
		})
	}
	if v.State == ledger.SplitWithdrawn {
		return letter{}, errPointless
	}
	t, err := s.ledger.Thing(ctx, v.Thing)
	if err != nil {
		return letter{}, err
	}
	// Each instance gets a document of its own: it names whom it is for.
	return s.money(ctx, p, iri+"#to-"+p.Host, v.CreatedAt, func() ([]byte, error) {
		w := wireSplit(v)
		w.Period = ""
		return vocab.RenderSplitOffer(vocab.SplitOffer{Split: w, Actor: s.inst.ActorIRI(), To: p.Actor, Published: v.CreatedAt,
			Page: t.IRI, URL: t.URL, Title: t.Title, Owner: t.Payee, OwnerName: t.PayeeName})
	})
}

func (s *Server) writeSplitAnswer(ctx context.Context, p ledger.Peer, v ledger.SplitVersion, payee string) (letter, error) {
	for _, part := range v.Parts {
		if part.Payee != payee || part.AnsweredAt == nil {
			continue
		}
		return s.money(ctx, p, v.IRI+"#answer-of-"+payee, *part.AnsweredAt, func() ([]byte, error) {
			verdict := vocab.Refused
			if part.State == ledger.PartConsented {
				verdict = vocab.Accepted
			}
			name, _ := s.memberName(payee)
			_, rest, _ := strings.Cut(v.IRI, "://")
			return vocab.RenderSplitAnswer(vocab.SplitAnswer{Payee: payee, Answer: vocab.Answer{ID: s.inst.BaseURL + "/answers/split/" + name + "/" + rest,
				Actor: s.inst.ActorIRI(), Object: v.IRI, Verdict: verdict, Published: *part.AnsweredAt, To: []string{p.Actor}}})
		})
	}
	return letter{}, ledger.ErrNotFound
}

// EvidenceOfSplit lists what is kept of a version of a split: what was asked, and what was answered.
func EvidenceOfSplit(ctx context.Context, pool *pgxpool.Pool, iri string) ([]Kept, error) {
	found, err := pool.Query(ctx, `
		select id, sent, created_at from document where id = $1 or starts_with(id, $1 || '#') order by created_at, id`, iri)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByPos[Kept])
}

// writePage tells a host that a button has another split.
func (s *Server) writePage(ctx context.Context, m ledger.Message) (letter, error) {
	p, err := s.meet(ctx, m.To)
	if err != nil {
		return letter{}, err
	}
	b, err := s.ledger.Button(ctx, m.Key)
	if err != nil {
		return letter{}, err
	}
	page, err := s.splitPage(ctx, b)
	if err != nil || len(page.Splits) == 0 {
		return letter{}, errPointless
	}
	last := page.Splits[len(page.Splits)-1]
	page.TotalLikes = 0
	body, err := vocab.RenderUpdatePage(last.ID+"/update", page, []string{p.Actor})
	return letter{body: body, inbox: p.Inbox, as: rsaKey(s.inst.MemberIRI(b.OwnerName))}, err
}
