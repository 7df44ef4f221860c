package federation

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// moneySkew is how old a message about money may be; its sender signs each try afresh.
const moneySkew = 10 * time.Minute

// message is an activity whose sender is proven.
type message struct {
	vocab.Document
	id, actor, host string
	signed          *signature.Signed
	sender          remote
	turn            *turn // of a message about money
}

// refusal is an answer other than 202, with its event code.
type refusal struct {
	code   string
	status int
	kind   string // problem type
	detail string
	now    time.Time     // sent as Date when clocks differ
	member string        // of the document, that is at fault
	cause  error         // logged, never sent
	again  time.Duration // when the sender may ask again; 0: the usual
}

func (r *refusal) Error() string { return r.code + ": " + r.detail }

func refuse(status int, code, kind, format string, args ...any) *refusal {
	return &refusal{status: status, code: code, kind: kind, detail: fmt.Sprintf(format, args...)}
}

// inbox takes one activity, in the order: size, signature, form, sender, and only then meaning. 202 is
// answered after the ledger's commit.
func (s *Server) inbox(w http.ResponseWriter, r *http.Request) {
	body, done, err := s.readBody(w, r)
	defer done()
	var m message
	if err == nil {
		m, err = s.authenticate(r, body)
	}
	var take receiver
	var money bool
	if err == nil {
		take, money, err = s.receiver(m)
	}
	if err == nil && take != nil && m.sender.fresh {
		err = s.storeActor(r.Context(), m.sender) // only whose message we take: anybody may send anything
	}
	if err == nil && take != nil {
		if money {
			if m.turn, err = s.senders.enter(r.Context(), m.host); err != nil {
				s.refuse(w, r, err)
				return
			}
			defer m.turn.leave()
		}
		err = take(r.Context(), m)
		for try := 1; ledger.GaveWay(err) && try < ledger.MaxTries; try++ {
			err = take(r.Context(), m)
		}
	}
	if err == nil {
		failpoint("inbox.taken")
		w.WriteHeader(http.StatusAccepted)
		return
	}
	s.refuse(w, r, err)
}

// authenticate proves who sent a message.
func (s *Server) authenticate(r *http.Request, body []byte) (message, error) {
	signed, err := signature.Parse(r, body, signature.Expect{Scheme: s.scheme(), Host: s.inst.Host, Now: s.ledger.Now()})
	if err != nil {
		return message{}, err
	}
	doc, err := vocab.Decode(body)
	if err != nil {
		return message{}, err
	}
	m := message{Document: doc, signed: signed}
	if err := s.identify(&m); err != nil {
		return message{}, err
	}
	// Who is new is fetched, and what we fetch is signed: that key is had before, if it isn't yet.
	if _, err := s.key(r.Context(), rsaKey(s.inst.ActorIRI())); err != nil {
		return message{}, err
	}
	m.sender, err = s.prove(r.Context(), signed, m.actor)
	return m, err
}

func (s *Server) scheme() string {
	scheme, _, _ := strings.Cut(s.inst.BaseURL, "://")
	return scheme
}

// identify reads id and actor and holds them to one host, which isn't ours: nobody outside speaks
// for us.
func (s *Server) identify(m *message) (err error) {
	if !m.IsActivity() {
		return refuse(http.StatusBadRequest, "inbox.type", vocab.UnsupportedType, "type must be an activity")
	}
	if m.id, err = m.ID(); err != nil {
		return err
	}
	if m.actor, err = m.Ref("actor"); err != nil {
		return err
	}
	if m.host, err = s.web.Host(m.actor); err != nil {
		return err
	}
	switch {
	case m.host == s.inst.Host:
		return refuse(http.StatusForbidden, "inbox.masquerade", vocab.PrincipalActorMismatch, "actor is on this host")
	case !s.web.SameHost(m.id, m.actor):
		return refuse(http.StatusForbidden, "inbox.id-host", vocab.PrincipalActorMismatch, "id must be on the actor's host")
	}
	return nil
}

// receiver takes one kind of activity. From the inbox to each statement of what it does stand at most
// five functions of ours; a test measures that.
type receiver func(ctx context.Context, m message) error

// receiver is the one switch over what an activity means, and whether it is about money. What isn't for us has none: it is taken and
// ignored, as servers expect of each other.
func (s *Server) receiver(m message) (take receiver, money bool, err error) {
	kind, err := m.Type()
	if err != nil {
		return nil, false, err
	}
	switch kind {
	case "Like":
		return s.receiveLike, false, nil
	case "Undo":
		return s.receiveUndo, false, nil
	case "Follow":
		return s.receiveFollow, false, nil
	case "Offer":
		return s.receiveOffer, true, nil
	case "Accept", "TentativeAccept", "Reject":
		object, err := m.Ref("object")
		switch {
		case err != nil:
			return nil, false, err
		case strings.HasPrefix(object, s.inst.FlattrIRI("")):
			return s.receiveAnswer, false, nil
		case strings.HasPrefix(object, s.inst.BaseURL+"/claims/"):
			return s.receiveClaimAnswer, true, nil
		case strings.HasPrefix(object, s.inst.BaseURL+"/payments/"):
			return s.receivePaymentAnswer, true, nil
		}
	case "Create": // other people's publications, embedded or not, are none of our business
		object, embedded, err := m.Embedded("object")
		switch {
		case err != nil || !embedded:
		case object.Is(vocab.PaymentType):
			return s.receivePayment, true, nil
		case object.Is(vocab.StatementType):
			return s.receiveStatement, true, nil
		}
	case "Announce":
		if m.Has(vocab.TermReturned) {
			return s.receiveReturn, true, nil
		}
	}
	return nil, false, nil
}

func (s *Server) receiveLike(ctx context.Context, m message) error {
	like, err := vocab.ParseLike(m.Document)
	if err != nil {
		return err
	}
	if !like.IsFlattr() || !m.sender.SpeaksFlattr() {
		return nil // a like, not a flattr: only flattr members' clicks carry money (protocol §6)
	}
	return s.ledger.ReceiveFlattr(ctx, ledger.ReceivedLike{ID: m.id, Giver: m.actor, Host: m.host,
		Object: like.Object, Period: like.Period, Carries: like.Carries})
}

func (s *Server) receiveUndo(ctx context.Context, m message) error {
	undo, err := vocab.ParseUndo(m.Document)
	if err != nil {
		return err
	}
	if undo.Follow != nil {
		name, ok := s.memberName(undo.Follow.Object)
		if !ok {
			return nil
		}
		return s.ledger.Unfollow(ctx, name, m.actor)
	}
	if !s.web.SameHost(undo.Object, m.actor) {
		return refuse(http.StatusForbidden, "ap.owner", vocab.ActorNotAuthorized, "object isn't the actor's")
	}
	return s.ledger.ReceiveUndo(ctx, undo.Object, m.actor)
}

func (s *Server) receiveFollow(ctx context.Context, m message) error {
	follow, err := vocab.ParseFollow(m.Document)
	if err != nil {
		return err
	}
	name, ok := s.memberName(follow.Object)
	if !ok {
		return refuse(http.StatusNotFound, "inbox.follow-object", vocab.ObjectDoesNotExist, "object is nobody here")
	}
	return s.ledger.Follow(ctx, name, m.actor, m.id)
}

func (s *Server) memberName(iri string) (string, bool) {
	name, ok := strings.CutPrefix(iri, s.inst.MemberIRI(""))
	return name, ok && name != "" && !strings.Contains(name, "/")
}

// receiveAnswer takes the answer to a flattr.
func (s *Server) receiveAnswer(ctx context.Context, m message) error {
	a, err := vocab.ParseAnswer(m.Document)
	if err != nil {
		return err
	}
	verdict := map[vocab.Verdict]string{vocab.Accepted: "accept", vocab.Held: "tentative", vocab.Refused: "reject"}
	return s.ledger.FlattrAnswered(ctx, ledger.Verdict{Like: a.Object, Host: m.host, Actor: m.actor,
		Answer: verdict[a.Verdict], Reason: string(a.Reason)})
}
