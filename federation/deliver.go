package federation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// Outcome says what becomes of a message after an attempt.
type Outcome int

// Outcomes of a delivery.
const (
	Retry   Outcome = iota // later, signed afresh, the same bytes
	Done                   // taken
	Stopped                // refused for good, or pointless
)

// letter is a message ready to be signed and posted.
type letter struct {
	body  []byte
	inbox string
	as    keyName // the actor's key that signs
}

// Deliver renders a message from its rows, signs it, posts it, and says what becomes of it.
func (s *Server) Deliver(ctx context.Context, m ledger.Message) (Outcome, error) {
	if m.Kind == ledger.LookAgain {
		return Done, s.lookAgain(ctx, m)
	}
	if held, err := s.heldFor(ctx, m); err != nil || held > 0 {
		return Retry, cmp.Or(err, error(heldError(held)))
	}
	l, err := s.write1(ctx, m)
	switch {
	case errors.Is(err, errPointless):
		return Done, nil
	case err != nil:
		return fetchOutcome(m.Kind, err), fmt.Errorf("%s %s: %w", m.Kind, m.Key, err)
	}
	failpoint(m.Kind + ".rendered")
	status, err := s.post(ctx, l)
	failpoint(m.Kind + ".delivered")
	if err != nil {
		return fetchOutcome(m.Kind, err), fmt.Errorf("%s to %s: %w", m.Kind, l.inbox, err)
	}
	v := outcome(m.Kind, status)
	if v != Done {
		err = fmt.Errorf("%s: %w", m.Kind, &guard.Error{Code: guard.CodeStatus, URL: l.inbox, Status: status})
	}
	return v, err
}

// heldError: for so long nothing new is signed for this peer (protocol §9, reconcile first).
type heldError time.Duration

func (heldError) Error() string { return "held until statements are compared" }

// wait is when to look again: soon after a start, seldom where a peer doesn't answer for days.
func (e heldError) wait() time.Duration {
	return min(max(time.Duration(e)/10, 2*time.Second), time.Hour)
}

// heldFor tells for how long a message has been waiting for its peer to show what it has of us; 0: it doesn't.
func (s *Server) heldFor(ctx context.Context, m ledger.Message) (time.Duration, error) {
	if !movesMoney(m.Kind) || m.Kind == ledger.TellStatement || m.Kind == ledger.TellReturn {
		return 0, nil
	}
	return s.ledger.HeldFor(ctx, m.To)
}

// errPointless: what the message was to say isn't so any more.
var errPointless = errors.New("nothing to say any more")

// outcome is the table of delivery verdicts: 2xx is done, 410 is gone, what may pass later is tried
// later, another 4xx is refused for good. For money no status is terminal (protocol §8).
func outcome(kind string, status int) Outcome {
	switch {
	case status >= 200 && status < 300:
		return Done
	case movesMoney(kind):
		return Retry
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests:
		return Retry
	case status >= 400 && status < 500:
		return Stopped
	}
	return Retry
}

// fetchOutcome is the same for a recipient who couldn't be looked up or reached.
func fetchOutcome(kind string, err error) Outcome {
	if movesMoney(kind) || !guard.IsPermanent(err) {
		return Retry
	}
	return Stopped
}

// post signs a letter with a fresh Date and sends it.
func (s *Server) post(ctx context.Context, l letter) (int, error) {
	key, err := s.key(ctx, l.as)
	if err != nil {
		return 0, err
	}
	return s.client.Post(ctx, l.inbox, vocab.AS2MediaType, l.body, func(r *http.Request, body []byte) error {
		return signature.SignCavage(r, body, key, s.ledger.Now())
	})
}

// write1 renders a message.
func (s *Server) write1(ctx context.Context, m ledger.Message) (letter, error) {
	switch m.Kind {
	case ledger.TellLike, ledger.TellUndo:
		return s.writeLike(ctx, m)
	case ledger.TellAccept, ledger.TellTentative, ledger.TellReject:
		return s.writeLikeAnswer(ctx, m)
	case ledger.TellClaim, ledger.TellClaimAnswer:
		return s.writeClaim(ctx, m)
	case ledger.TellPayment, ledger.TellPaymentAnswer:
		return s.writePayment(ctx, m)
	case ledger.TellSplit, ledger.TellSplitAnswer, ledger.TellSplitWithdrawn:
		return s.writeSplit(ctx, m)
	case ledger.TellPage:
		return s.writePage(ctx, m)
	case ledger.TellStatement:
		return s.writeStatement(ctx, m)
	case ledger.TellReturn:
		return s.writeReturn(ctx, m)
	case ledger.TellButton:
		return s.writeButton(ctx, m)
	case ledger.TellAcceptFollow:
		return s.writeFollowAnswer(ctx, m)
	}
	return letter{}, fmt.Errorf("internal error: no message of kind %q", m.Kind)
}

// address finds the inbox of an actor.
func (s *Server) address(ctx context.Context, actor string) (string, error) {
	a, err := s.actor(ctx, actor)
	if err != nil {
		return "", err
	}
	if !s.web.SameHost(a.Inbox, a.ID) {
		return "", errors.New("the inbox is on another host than the actor")
	}
	return a.Inbox, nil
}

func (s *Server) writeLike(ctx context.Context, m ledger.Message) (letter, error) {
	id, err := uuid.Parse(m.Key)
	if err != nil {
		return letter{}, err
	}
	o, err := s.ledger.OutgoingLike(ctx, id)
	if err != nil {
		return letter{}, err
	}
	inbox, err := s.address(ctx, m.To)
	if err != nil {
		return letter{}, err
	}
	like := vocab.Like{ID: o.ID, Actor: o.Giver, Object: o.Object, Published: o.MadeAt, To: []string{o.Payee},
		Period: o.Period, Carries: o.Carries, Split: int64(o.Split)}
	if o.Split > 0 {
		like.To = o.Authors
	}
	l := letter{inbox: inbox, as: rsaKey(o.Giver)}
	switch {
	case m.Kind == ledger.TellLike:
		l.body, err = vocab.RenderLike(like)
	case o.Undone == nil:
		return l, errPointless
	default:
		l.body, err = vocab.RenderUndo(vocab.Undo{ID: o.ID + "#undo", Actor: o.Giver, Object: o.ID, Like: &like,
			Published: *o.Undone, To: like.To})
	}
	return l, err
}

func (s *Server) writeLikeAnswer(ctx context.Context, m ledger.Message) (letter, error) {
	a, err := s.ledger.LikeAnswer(ctx, m.Key)
	if err != nil {
		return letter{}, err
	}
	inbox, err := s.address(ctx, m.To)
	if err != nil {
		return letter{}, err
	}
	verdict := map[string]vocab.Verdict{ledger.TellAccept: vocab.Accepted, ledger.TellTentative: vocab.Held,
		ledger.TellReject: vocab.Refused}[m.Kind]
	answer := vocab.Answer{ID: s.inst.BaseURL + "/answers/" + lower(string(verdict)) + "/" + short(a.Like),
		Actor: a.Payee, Verdict: verdict, Object: a.Like, Published: a.ReceivedAt, To: []string{a.Giver}}
	if a.Part { // each author's is one by itself
		answer.ID += "/" + a.Payee[strings.LastIndexByte(a.Payee, '/')+1:]
	}
	if verdict == vocab.Refused {
		answer.Reason = vocab.Reason(a.Reason)
	}
	body, err := vocab.RenderAnswer(answer)
	return letter{body: body, inbox: inbox, as: rsaKey(a.Payee)}, err
}

// short is the last part of an id, which for a flattr is its uuid, behind its host.
func short(iri string) string {
	_, rest, _ := strings.Cut(iri, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host + "/" + iri[strings.LastIndexByte(iri, '/')+1:]
}

// writeClaim renders an offer or an answer to one, both with the accounting key's proof.
func (s *Server) writeClaim(ctx context.Context, m ledger.Message) (letter, error) {
	p, err := s.meet(ctx, m.To)
	if err != nil {
		return letter{}, err
	}
	d, err := s.ledger.ClaimDocument(ctx, m.Key)
	if err != nil {
		return letter{}, err
	}
	id, at, render := d.IRI, d.CreatedAt, func() ([]byte, error) { return s.renderClaim(ctx, d, p) }
	if m.Kind == ledger.TellClaimAnswer {
		id, at = d.IRI+"#answer", *d.AnsweredAt
		render = func() ([]byte, error) { return s.renderClaimAnswer(d, p) }
	}
	return s.money(ctx, p, id, at, render)
}

func (s *Server) writePayment(ctx context.Context, m ledger.Message) (letter, error) {
	p, err := s.meet(ctx, m.To)
	if err != nil {
		return letter{}, err
	}
	d, err := s.ledger.PaymentDocument(ctx, m.Key)
	if err != nil {
		return letter{}, err
	}
	id, at, render := d.IRI, *d.PaidAt, func() ([]byte, error) { return s.renderPayment(d, p) }
	if m.Kind == ledger.TellPaymentAnswer {
		id, at = d.IRI+"#answer", *d.AnsweredAt
		render = func() ([]byte, error) { return s.renderPaymentAnswer(d, p) }
	}
	return s.money(ctx, p, id, at, render)
}

// money makes the letter of a document with a proof, from the instance actor to the peer's.
func (s *Server) money(ctx context.Context, p ledger.Peer, id string, at time.Time, render func() ([]byte, error)) (letter, error) {
	if p.KeyHeldAt != nil {
		return letter{}, fmt.Errorf("%s: %w", p.Host, errKeyHeld)
	}
	body, err := s.proven(ctx, id, at, render)
	return letter{body: body, inbox: p.Inbox, as: rsaKey(s.inst.ActorIRI())}, err
}

func (s *Server) writeButton(ctx context.Context, m ledger.Message) (letter, error) {
	b, err := s.ledger.Button(ctx, m.Key)
	if err != nil {
		return letter{}, err
	}
	if b.RemovedAt != nil {
		return letter{}, errPointless
	}
	inbox, err := s.address(ctx, m.To)
	if err != nil {
		return letter{}, err
	}
	body, err := s.renderCreate(b)
	return letter{body: body, inbox: inbox, as: rsaKey(s.inst.MemberIRI(b.OwnerName))}, err
}

// writeFollowAnswer accepts a follow. The key is the member's name and the follow's id.
func (s *Server) writeFollowAnswer(ctx context.Context, m ledger.Message) (letter, error) {
	name, followID, _ := strings.Cut(m.Key, " ")
	inbox, err := s.address(ctx, m.To)
	if err != nil {
		return letter{}, err
	}
	me := s.inst.MemberIRI(name)
	body, err := vocab.RenderAnswer(vocab.Answer{ID: s.inst.BaseURL + "/answers/follow/" + short(followID), Actor: me,
		Verdict: vocab.Accepted, Object: followID, To: []string{m.To},
		Follow: &vocab.Follow{ID: followID, Actor: m.To, Object: me}})
	return letter{body: body, inbox: inbox, as: rsaKey(me)}, err
}
