package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
)

// authorsPage is how what a button gets is divided, and who has consented to that.
type authorsPage struct {
	Form   form
	Button ledger.Button
	Splits []ledger.SplitVersion // the newest first
}

// Open tells whether a version waits for answers: then no other is proposed.
func (p authorsPage) Open() bool {
	return len(p.Splits) > 0 && p.Splits[0].State == ledger.SplitProposed
}

func (s *Site) authorsPage(r *http.Request, v visit, f form) (authorsPage, error) {
	p := authorsPage{Form: f}
	var err error
	if p.Button, err = s.ownButton(r, v); err != nil {
		return p, err
	}
	t, err := s.ledger.ThingByIRI(r.Context(), s.ledger.Instance().ButtonIRI(p.Button.ID))
	if err != nil {
		return p, err
	}
	all, err := s.ledger.Splits(r.Context(), t.ID)
	for _, one := range all {
		p.Splits = append([]ledger.SplitVersion{one}, p.Splits...)
	}
	return p, err
}

func (s *Site) authors(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := s.authorsPage(r, v, filled("authors", v.member.Name+" 1\n"))
	if err != nil {
		return err
	}
	return s.show(w, r, v, "authors", p)
}

func (s *Site) proposeSplit(w http.ResponseWriter, r *http.Request, v visit) error {
	named, err := s.readAuthors(r.PostForm.Get("authors"))
	if err == nil {
		_, err = s.ledger.ProposeSplit(r.Context(), v.member.ID, param(r, "id"), named)
	}
	if err != nil {
		return s.again(w, r, v, err, "authors", func(f form) (any, error) { return s.authorsPage(r, v, f) })
	}
	return s.done(w, r, "/buttons/"+param(r, "id")+"/authors", "notice.split-proposed")
}

func (s *Site) withdrawSplit(w http.ResponseWriter, r *http.Request, v visit) error {
	version, err := strconv.ParseInt(r.PostForm.Get("version"), 10, 32)
	if err != nil {
		return ledger.ErrNotFound
	}
	if err := s.ledger.WithdrawSplit(r.Context(), v.member.ID, param(r, "id"), int32(version)); err != nil {
		return err
	}
	return s.done(w, r, "/buttons/"+param(r, "id")+"/authors", "notice.split-withdrawn")
}

// readAuthors reads a line for each author: a handle, or a name here, and a weight. FieldError "authors": line.
func (s *Site) readAuthors(typed string) (all []ledger.Author, err error) {
	for line := range strings.Lines(typed) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		weight, err := strconv.ParseInt(words[len(words)-1], 10, 32)
		payee, ok := s.actorOf(words[0])
		if err != nil || weight < 1 || len(words) != 2 || !ok {
			return nil, &ledger.FieldError{Field: "authors", Rule: "line"}
		}
		all = append(all, ledger.Author{Payee: payee, Name: handleOf(payee), Weight: int32(weight)})
	}
	return all, nil
}

// actorOf is the actor of a member of an instance that speaks the protocol (protocol §2), or of one here.
func (s *Site) actorOf(typed string) (iri string, ok bool) {
	inst := s.ledger.Instance()
	if !strings.ContainsAny(strings.TrimPrefix(typed, "@"), "@/.:") {
		return inst.MemberIRI(strings.TrimPrefix(typed, "@")), true
	}
	address, host, err := s.parseHome(typed)
	name, _, isMember := strings.Cut(address, "@")
	if err != nil || !isMember {
		return "", false
	}
	if host == inst.Host {
		return inst.MemberIRI(name), true
	}
	scheme, _, _ := strings.Cut(inst.BaseURL, "://")
	return scheme + "://" + host + "/users/" + name, true
}

// authorships lists what others have named a member an author of.
func (s *Site) authorships(w http.ResponseWriter, r *http.Request, v visit) error {
	all, err := s.ledger.AskedSplits(r.Context(), v.member.ID)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "authorships", all)
}

func (s *Site) answerSplit(w http.ResponseWriter, r *http.Request, v visit) error {
	id, err := strconv.ParseInt(r.PostForm.Get("split"), 10, 64)
	answer := r.PostForm.Get("answer")
	if err != nil || answer != "consent" && answer != "refuse" {
		return ledger.ErrNotFound
	}
	if err := s.ledger.AnswerSplit(r.Context(), v.member.ID, id, answer == "consent"); err != nil {
		return err
	}
	if answer == "consent" {
		return s.done(w, r, "/authorships", "notice.split-consented")
	}
	return s.done(w, r, "/authorships", "notice.split-refused")
}
