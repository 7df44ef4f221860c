package federation

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

func lower(s string) string { return strings.ToLower(s) }

// webFinger answers for members, by handle, actor or profile address, and for the server itself
// (RFC 7033, FEP-d556).
func (s *Server) webFinger(r *http.Request) (answer, error) {
	resource := r.URL.Query().Get("resource")
	if s.namesServer(resource) {
		return jrd(s.serverJRD(resource))
	}
	name, ok := s.namesMember(resource)
	if !ok {
		return answer{}, ledger.ErrNotFound
	}
	m, err := s.ledger.MemberByName(r.Context(), name)
	if err != nil {
		return answer{}, err
	}
	a, err := jrd(s.memberJRD(m))
	a.gone = m.DeletedAt != nil
	return a, err
}

func jrd(j vocab.JRD) (answer, error) {
	body, err := vocab.RenderJRD(j)
	return answer{body: body, media: vocab.JRDMediaType}, err
}

func (s *Server) namesServer(resource string) bool {
	switch strings.TrimSuffix(resource, "/") {
	case s.inst.BaseURL, s.inst.ActorIRI(), "acct:" + s.inst.Host + "@" + s.inst.Host:
		return true
	}
	return false
}

// namesMember takes the local part out of acct:name@host, the actor's id or the profile's address.
func (s *Server) namesMember(resource string) (string, bool) {
	if account, ok := strings.CutPrefix(resource, "acct:"); ok {
		name, host, _ := strings.Cut(strings.TrimPrefix(account, "@"), "@")
		return lower(name), lower(host) == s.inst.Host
	}
	for _, prefix := range []string{s.inst.MemberIRI(""), s.inst.BaseURL + "/@"} {
		if name, ok := strings.CutPrefix(resource, prefix); ok {
			return lower(name), true
		}
	}
	return "", false
}

// serverJRD describes the server under the name that was asked for: servers that know the instance
// actor by a handle hold the subject to it.
func (s *Server) serverJRD(resource string) vocab.JRD {
	actor, subject := s.inst.ActorIRI(), s.inst.BaseURL+"/"
	if strings.HasPrefix(resource, "acct:") {
		subject = "acct:" + s.inst.Host + "@" + s.inst.Host
	}
	return vocab.JRD{Subject: subject, Aliases: []string{actor}, Links: append([]vocab.JRDLink{
		{Rel: vocab.RelService, Type: vocab.AS2MediaType, Href: actor},
		{Rel: vocab.RelSelf, Type: vocab.AS2MediaType, Href: actor},
	}, s.intents()...)}
}

func (s *Server) memberJRD(m ledger.Member) vocab.JRD {
	actor, profile := s.inst.MemberIRI(m.Name), s.inst.BaseURL+"/@"+m.Name
	return vocab.JRD{Subject: "acct:" + m.Name + "@" + s.inst.Host, Aliases: []string{actor, profile},
		Links: append([]vocab.JRDLink{
			{Rel: vocab.RelSelf, Type: vocab.AS2MediaType, Href: actor},
			{Rel: vocab.RelProfile, Type: "text/html", Href: profile},
		}, s.intents()...)}
}

// intents are where a person of ours is sent to flattr something (protocol §6, FEP-3b86).
func (s *Server) intents() []vocab.JRDLink {
	callback := "&on-success={on-success}&on-cancel={on-cancel}"
	intent := s.inst.BaseURL + "/intents/flattr?object="
	return []vocab.JRDLink{
		{Rel: vocab.RelFlattr, Template: intent + "{object}" + callback},
		{Rel: vocab.RelLike, Template: intent + "{object}" + callback},
		{Rel: vocab.RelObject, Template: intent + "{object}"},
	}
}

func (s *Server) nodeInfoLinks(*http.Request) (answer, error) {
	body, err := vocab.RenderNodeInfoLinks(vocab.NodeInfoLinks{V20: s.inst.BaseURL + "/nodeinfo/2.0",
		V21: s.inst.BaseURL + "/nodeinfo/2.1", Actor: s.inst.ActorIRI()})
	return answer{body: body, media: "application/json"}, err
}

// nodeInfo is for people and statistics (FEP-f1d5); what the instance can do stands on its actor.
func (s *Server) nodeInfo(r *http.Request) (answer, error) {
	version := chi.URLParam(r, "version")
	if version != "2.0" && version != "2.1" {
		return answer{}, ledger.ErrNotFound
	}
	n, err := s.ledger.Numbers(r.Context())
	if err != nil {
		return answer{}, err
	}
	body, err := vocab.RenderNodeInfo(vocab.NodeInfo{Version: version, SoftwareName: "flattrd",
		SoftwareVersion: s.version, Repository: "https://github.com/fedflattr/flattrd", NodeName: s.inst.Name,
		Users: n.Members, ActiveMonth: n.ActiveMonth, ActiveHalfyear: n.ActiveHalfyear, LocalPosts: n.Buttons})
	return answer{body: body, media: "application/json; profile=\"http://nodeinfo.diaspora.software/ns/schema/" + version + "#\""}, err
}
