package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

// ask is what the popup brings to a home: the thing, and where to go afterwards.
type ask struct {
	Object, Success, Cancel string
}

func askOf(r *http.Request) ask {
	q := r.URL.Query()
	return ask{q.Get("object"), q.Get("on-success"), q.Get("on-cancel")}
}

// query is the ask as the form's target carries it: the same page, so that a login in between leads
// back to it.
func (a ask) Query() template.URL {
	return template.URL(url.Values{"object": {a.Object}, "on-success": {a.Success}, "on-cancel": {a.Cancel}}.Encode())
}

// intentPage asks for the one click that counts.
type intentPage struct {
	Ask     ask
	Thing   ledger.Thing
	Cancel  string // where Cancel may lead; "" for home
	Success string // where the way back may lead; ""
	ledger.Prospect
}

// intent shows the thing, the payee and the share. It changes nothing at all: other sites link here.
func (s *Site) intent(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.intentPage(w, r, v)
	if u, waits := unclaimed(err); waits {
		return s.askKeep(w, r, v, u)
	}
	if err != nil {
		return err
	}
	return s.show(w, r, v, "intent", p)
}

func (s *Site) intentPage(w http.ResponseWriter, r *http.Request, v visit) (intentPage, error) {
	p := intentPage{Ask: askOf(r)}
	var err error
	if p.Thing, err = s.find(w, r, p.Ask.Object); err != nil {
		return p, err
	}
	p.Success, p.Cancel = s.backTo(p.Thing, p.Ask.Success), s.backTo(p.Thing, p.Ask.Cancel)
	p.Prospect, err = s.ledger.Prospect(r.Context(), v.member.ID, p.Thing.ID)
	return p, err
}

// find reads a thing of ours, or fetches it from its home. A thing that was fetched before is good
// enough when its home doesn't answer now.
func (s *Site) find(w http.ResponseWriter, r *http.Request, object string) (ledger.Thing, error) {
	if !s.webLink(object) {
		return ledger.Thing{}, &ledger.FieldError{Field: "object", Rule: "form"}
	}
	known, err := s.ledger.ThingByIRI(r.Context(), s.ownIRI(object))
	if err == nil && (known.Button != nil || r.Method == http.MethodPost) {
		return known, nil
	}
	if strings.HasPrefix(object, s.ledger.Instance().BaseURL+"/") {
		return known, err
	}
	waits, unknown := s.ledger.UnclaimedByIRI(r.Context(), object)
	if unknown == nil && r.Method == http.MethodPost {
		return known, &ledger.UnclaimedError{Thing: waits}
	}
	if s.limits.find.OnLimit(w, r, s.clientIP(r)) {
		return known, errTooMany
	}
	fresh, unresolved := s.resolver.ResolveThing(r.Context(), object)
	if err == nil && errors.Is(unresolved, ErrUnreachable) {
		return known, nil
	}
	if unknown == nil && errors.Is(unresolved, ErrUnreachable) {
		return known, &ledger.UnclaimedError{Thing: waits}
	}
	return fresh, unresolved
}

// ownIRI turns the page of a button of ours into its id.
func (s *Site) ownIRI(object string) string {
	inst := s.ledger.Instance()
	if id, ok := strings.CutPrefix(object, inst.BaseURL+"/f/"); ok {
		return inst.ButtonIRI(id)
	}
	return object
}

// backTo returns where the popup wants to go on to, if that is the thing's own home: anyone can link
// here, and nobody may use our redirect to send people elsewhere.
func (s *Site) backTo(t ledger.Thing, to string) string {
	if s.webLink(to) && sameOrigin(to, t.IRI) {
		return to
	}
	return ""
}

// confirm is the click that counts.
func (s *Site) confirm(w http.ResponseWriter, r *http.Request, v visit) error {
	t, err := s.find(w, r, askOf(r).Object)
	if u, waits := unclaimed(err); waits {
		return s.keep(w, r, v, u)
	}
	if err != nil {
		return err
	}
	f, _, err := s.ledger.Flattr(r.Context(), v.member.ID, t.ID)
	if err != nil {
		return s.intentRefused(w, r, v, err)
	}
	if f, err = s.awaitAnswer(r.Context(), v.member.ID, f); err != nil {
		return err
	}
	return s.flattred(w, r, v, t, f)
}

// intentRefused shows the page again with the reason: the own thing, or one that takes no flattrs.
func (s *Site) intentRefused(w http.ResponseWriter, r *http.Request, v visit, err error) error {
	return s.again(w, r, v, err, "refused", func(f form) (any, error) {
		p, err := s.intentPage(w, r, v)
		return refusedPage{p.Thing, f.Errors["thing"], p.Cancel}, err
	})
}

// refusedPage says why a thing can't be flattred.
type refusedPage struct {
	Thing  ledger.Thing
	Fault  ledger.FieldError
	Cancel string
}

const (
	answerWait = 2 * time.Second
	answerPoll = 100 * time.Millisecond
)

// awaitAnswer gives the payee's home a moment to answer, so that the count has risen when the popup
// comes back. An answer that is late is no fault: the popup says that it is on its way.
func (s *Site) awaitAnswer(ctx context.Context, by int64, f ledger.Flattr) (ledger.Flattr, error) {
	deadline := time.Now().Add(answerWait)
	for f.State == ledger.Sent && time.Now().Before(deadline) {
		select {
		case <-ctx.Done():
			return f, ctx.Err()
		case <-time.After(answerPoll):
		}
		var err error
		if f, err = s.ledger.MyFlattr(ctx, by, f.ID); err != nil {
			return f, err
		}
	}
	return f, nil
}

// popupStates are a flattr's states as the popup tells them onwards.
var popupStates = map[string]string{ledger.Accepted: "flattred", ledger.Held: "held", ledger.Sent: "pending"}

// keptPage is where the popup ends at home: the click waits for a budget, or was refused, or the way
// back isn't ours to take.
type keptPage struct {
	Thing   ledger.Thing
	State   string
	Reason  string
	Success string     // the way back
	Foreign string     // a way back on another site, to be followed by hand
	Until   *time.Time // of what waits for somebody who can be paid
}

// flattred ends the popup at home: back to the payee's instance, unless there is something to say.
func (s *Site) flattred(w http.ResponseWriter, r *http.Request, v visit, t ledger.Thing, f ledger.Flattr) error {
	success := askOf(r).Success
	p := keptPage{Thing: t, State: f.State, Success: s.backTo(t, success)}
	if f.Reason != nil {
		p.Reason = *f.Reason
	}
	if told, ok := popupStates[f.State]; ok && p.Success != "" {
		http.Redirect(w, r, withState(p.Success, told), http.StatusSeeOther)
		return nil
	}
	if p.Success != "" && f.State == ledger.Unfunded {
		p.Success = withState(p.Success, "kept")
	}
	if p.Success == "" && s.webLink(success) {
		p.Foreign = success
	}
	return s.show(w, r, v, "kept", p)
}

// withState adds what became of the click to the way back.
func withState(to, state string) string {
	u, err := url.Parse(to)
	if err != nil {
		return to
	}
	q := u.Query()
	q.Set("s", state)
	u.RawQuery = q.Encode()
	return u.String()
}

// intentUndo takes a flattr back in the popup and asks again.
func (s *Site) intentUndo(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := s.undoFlattr(r, v); err != nil {
		return err
	}
	return s.done(w, r, "/intents/flattr?"+string(askOf(r).Query()), "notice.undone")
}
