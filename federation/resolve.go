package federation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// What looking for a home or a thing may come to.
var (
	// ErrUnknownHandle: the host answers, but doesn't know that person.
	ErrUnknownHandle = errors.New("no such handle")
	// ErrNoFlattr: the host answers, but doesn't speak the flattr protocol.
	ErrNoFlattr = errors.New("speaks no flattr")
	// ErrUnreachable: the host doesn't answer, or not in time.
	ErrUnreachable = errors.New("unreachable")
)

// ResolveThing finds the button behind an id: ours, or another instance's, fetched from there and
// remembered. Both directions must hold: the button names its owner, and the owner is an actor of the
// same host that takes flattrs, and our currency. The address of a page with a proven payee leads to that payee's
// button. Errors: *ledger.UnclaimedError if nobody is known who could be paid for what stands there;
// ledger.ErrNotFound, which that is too, if nothing does; ErrUnreachable.
func (s *Server) ResolveThing(ctx context.Context, iri string) (ledger.Thing, error) {
	host, err := s.web.Host(iri)
	if err != nil {
		return ledger.Thing{}, fmt.Errorf("%w: %w", ledger.ErrNotFound, err)
	}
	if host == s.inst.Host {
		return s.ledger.ThingByIRI(ctx, iri)
	}
	r, err := s.remoteThing(ctx, host, iri)
	if err == nil {
		err = s.takesCurrency(ctx, host)
	}
	if err != nil {
		if known, knownErr := s.ledger.ThingByIRI(ctx, iri); knownErr == nil && guard.IsTemporary(err) {
			return known, nil
		}
		return s.unpayable(ctx, iri, r, err)
	}
	return s.ledger.SaveThing(ctx, r.RemoteThing)
}

// remoteThing fetches what stands at an address and who made it. errNoPayee: who made it speaks no flattr.
func (s *Server) remoteThing(ctx context.Context, host, iri string) (remoteThing, error) {
	doc, err := s.client.FetchAS2(ctx, iri)
	if err != nil {
		return remoteThing{}, err
	}
	page, err := vocab.ParsePage(doc)
	if err != nil {
		return remoteThing{}, err
	}
	if !s.web.SameHost(page.AttributedTo, iri) {
		return remoteThing{}, ledger.ErrNotFound
	}
	owner, err := s.fetchActor(ctx, page.AttributedTo)
	if err != nil {
		return remoteThing{}, err
	}
	r := s.thingOf(page, owner, host)
	switch {
	case !owner.SpeaksFlattr():
		if !s.web.SameHost(r.URL, r.IRI) {
			r.URL = r.IRI // of another's page it doesn't say whose that is
		}
		return r, errNoPayee
	case page.ID != iri:
		return r, ledger.ErrNotFound
	case !owner.AcceptsFlattrs:
		return r, ErrNoFlattr
	}
	return r, s.storeActor(ctx, owner)
}

func (s *Server) thingOf(page vocab.Page, owner remote, host string) remoteThing {
	r := remoteThing{RemoteThing: ledger.RemoteThing{IRI: page.ID, URL: page.URL, Title: page.Name, Payee: owner.ID, PayeeName: owner.Name, Host: host,
		Splits: toldSplits(page.Splits)},
		handle: s.handleOf(owner.PreferredUsername + "@" + host)}
	if r.PayeeName == "" {
		r.PayeeName = owner.PreferredUsername
	}
	if r.URL == "" {
		r.URL = r.IRI
	}
	if r.Title == "" {
		r.Title = r.URL
	}
	return r
}

// FindHome asks a person's home where to send them to flattr (protocol §6). handle is
// @name@host, name@host, a host, or the address of a profile. The template is taken only from the
// host that was named: nobody is sent somewhere they didn't say.
// Errors: ErrUnknownHandle, ErrNoFlattr, ErrUnreachable.
func (s *Server) FindHome(ctx context.Context, handle string) (template, home string, err error) {
	host, resource, err := s.readHandle(handle)
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrUnknownHandle, err)
	}
	j, err := s.finger(ctx, host, resource)
	if err != nil {
		s.noteBlocked(ctx, host, err)
		return "", "", lookupError(err)
	}
	template = j.Intent(vocab.RelFlattr)
	if template == "" {
		return "", "", ErrNoFlattr
	}
	// Placeholders are no URL characters: only what stands before them says the host.
	before, _, _ := strings.Cut(template, "{")
	if !s.web.SameHost(before, s.scheme()+"://"+host+"/") {
		return "", "", fmt.Errorf("%w: the intent leads to another host", ErrNoFlattr)
	}
	return template, host, nil
}

// readHandle splits what a person typed into the host to ask and the resource to ask for.
func (s *Server) readHandle(typed string) (host, resource string, err error) {
	typed = strings.TrimSpace(typed)
	switch {
	case strings.HasPrefix(typed, "https://"), strings.HasPrefix(typed, "http://"):
		resource = typed
		host, err = s.web.Host(typed)
	case strings.Contains(strings.TrimPrefix(typed, "@"), "@"):
		name, at, _ := strings.Cut(strings.TrimPrefix(typed, "@"), "@")
		if host, err = s.web.Host(s.scheme() + "://" + at + "/"); err == nil && (name == "" || strings.Contains(at, "@")) {
			err = errors.New("not a handle")
		}
		resource = "acct:" + name + "@" + host
	default:
		host, err = s.web.Host(s.scheme() + "://" + typed + "/")
		resource = s.scheme() + "://" + host + "/"
	}
	if err == nil && !isHostOnly(host) {
		err = errors.New("not a host")
	}
	return host, resource, err
}

func isHostOnly(host string) bool { return host != "" && !strings.ContainsAny(host, "/?#@ ") }

// finger asks a host's WebFinger (RFC 7033).
func (s *Server) finger(ctx context.Context, host, resource string) (vocab.JRD, error) {
	at := s.scheme() + "://" + host + "/.well-known/webfinger?resource=" + url.QueryEscape(resource)
	body, err := s.client.Get(ctx, at, vocab.JRDMediaType+", application/json", nil)
	if err != nil {
		return vocab.JRD{}, err
	}
	return vocab.ParseJRD(body)
}

// thingError: nothing flattrable there, or nobody answers. An address that we don't go to is the former. What our own
// database says is neither.
func (s *Server) thingError(ctx context.Context, iri string, err error) error {
	s.noteBlocked(ctx, iri, err)
	switch {
	case guard.IsTemporary(err):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case ofDatabase(err):
		return err
	}
	return fmt.Errorf("%w: %w", ledger.ErrNotFound, err)
}

// ofDatabase tells what our database says, and that it isn't there: a network's fault that isn't the guarded client's.
func ofDatabase(err error) bool {
	var fetched *guard.Error
	if errors.As(err, &fetched) {
		return false
	}
	var said *pgconn.PgError
	var network net.Error
	return errors.As(err, &said) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// noteBlocked logs that somebody sent us to an address that isn't public.
func (s *Server) noteBlocked(ctx context.Context, address string, err error) {
	if guard.IsBlocked(err) {
		s.event(ctx, string(guard.CodeBlocked), "address", address, "error", err.Error())
	}
}

// lookupError says a failed look-up in the words of this file.
func lookupError(err error) error {
	switch status := guard.StatusOf(err); {
	case errors.Is(err, ErrNoFlattr), errors.Is(err, ledger.ErrNotFound):
		return err
	case status == http.StatusNotFound || status == http.StatusGone:
		return fmt.Errorf("%w: %w", ErrUnknownHandle, err)
	case guard.IsTemporary(err), guard.IsBlocked(err):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return fmt.Errorf("%w: %w", ErrNoFlattr, err)
}
