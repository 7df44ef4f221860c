package federation

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// Handler serves what other servers ask for. What it has no route for is for the pages: cmd puts the
// web's handler behind it as fallback.
func (s *Server) Handler(fallback http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.GetHead)
	r.Get("/.well-known/webfinger", s.serve(s.webFinger))
	r.Get("/.well-known/nodeinfo", s.serve(s.nodeInfoLinks))
	r.Get("/nodeinfo/{version}", s.serve(s.nodeInfo))
	r.Post("/inbox", s.inbox)
	r.Post("/actor/inbox", s.inbox)
	r.Post("/users/{name}/inbox", s.inbox)
	r.Get("/actor", s.document(s.instanceActor, "/about"))
	r.Get("/users/{name}", s.document(s.memberActor, "/@{name}"))
	for _, list := range []string{"followers", "following", "featured", "outbox"} {
		r.Get("/users/{name}/"+list, s.document(s.memberList(list), "/@{name}"))
	}
	r.Get("/actor/outbox", s.document(s.emptyList("/actor/outbox"), "/about"))
	r.Get("/actor/followers", s.document(s.emptyList("/actor/followers"), "/about"))
	r.Get("/actor/following", s.document(s.emptyList("/actor/following"), "/about"))
	r.Get("/buttons/{id}", s.document(s.button, "/f/{id}"))
	r.Get("/buttons/{id}/likes", s.document(s.buttonLikes, "/f/{id}"))
	r.Get("/proposals/{currency}", s.document(s.proposal, "/about"))
	r.Get("/claims/{period}/{host}/{currency}/{n}/lines", s.claimLines)
	r.Get("/agreements/{host}/*", s.agreementLines)
	r.Get("/totals/{period:[0-9-]+}.json", s.varying(s.serve(s.totals)))
	r.NotFound(fallback.ServeHTTP)
	r.MethodNotAllowed(fallback.ServeHTTP)
	return r
}

// answer is what a route returns: a body and its media type.
type answer struct {
	body  []byte
	media string
	gone  bool
}

// serve runs a route whose answer doesn't depend on Accept.
func (s *Server) serve(route func(*http.Request) (answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Browsers of other servers' pages look intents up themselves (activity intents, FEP-3b86).
		w.Header().Set("Access-Control-Allow-Origin", "*")
		a, err := route(r)
		s.write(w, r, a, err)
	}
}

// varying tells caches that what is served depends on Accept.
func (s *Server) varying(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		serve(w, r)
	}
}

// document serves an ActivityStreams document, or sends people on to the page about the same.
func (s *Server) document(route func(*http.Request) (answer, error), page string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if !wantsAS2(r.Header.Values("Accept")) {
			to := strings.NewReplacer("{name}", chi.URLParam(r, "name"), "{id}", chi.URLParam(r, "id")).Replace(page)
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		a, err := route(r)
		s.write(w, r, a, err)
	}
}

// wantsAS2 tells a server from a browser: whoever names one of the two media types gets the
// document, in whatever order (ActivityPub §3.2).
func wantsAS2(accept []string) bool {
	all := strings.ToLower(strings.Join(accept, ","))
	return strings.Contains(all, vocab.AS2MediaType) || strings.Contains(all, "application/ld+json")
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, a answer, err error) {
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		s.problem(w, vocab.Problem{Type: vocab.ObjectDoesNotExist, Status: http.StatusNotFound, Title: "Not found"})
	case err != nil:
		s.log.ErrorContext(r.Context(), "serve.failed", "code", "serve.failed", "path", r.URL.Path, "error", err)
		s.problem(w, vocab.Problem{Status: http.StatusInternalServerError, Title: "Internal error"})
	default:
		w.Header().Set("Content-Type", a.media)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if a.gone {
			w.WriteHeader(http.StatusGone)
		}
		_, _ = w.Write(a.body)
	}
}

func (s *Server) problem(w http.ResponseWriter, p vocab.Problem) {
	body, err := vocab.RenderProblem(p)
	if err != nil {
		body, _ = json.Marshal(map[string]any{"status": p.Status})
	}
	w.Header().Set("Content-Type", vocab.ProblemMediaType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}

// as2 is an ActivityStreams answer. Lemmy takes this media type to the letter.
func as2(body []byte, err error) (answer, error) {
	return answer{body: body, media: vocab.AS2MediaType + "; charset=utf-8"}, err
}
