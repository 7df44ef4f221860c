package web

import (
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/fedflattr/flattrd/ledger"
)

// route is one line of the table. A test holds its rules: each has a guard and a frame, and exactly
// the POST routes change state.
type route struct {
	method  string
	pattern string
	guard   guard
	frame   frame
	changes bool
	handle  handler
}

func get(pattern string, g guard, f frame, h handler) route {
	return route{http.MethodGet, pattern, g, f, false, h}
}

func post(pattern string, g guard, f frame, h handler) route {
	return route{http.MethodPost, pattern, g, f, true, h}
}

// routes is the whole site.
func (s *Site) routes() []route {
	all := []route{
		get("/", public, pageFrame, s.landing),
		get("/about", public, pageFrame, s.about),
		get("/totals", public, pageFrame, s.totals),
		get("/totals/{period}", public, pageFrame, s.total),
		get("/waiting", public, pageFrame, s.waiting),
		get("/ns", public, pageFrame, s.terms),
		post("/language", public, pageFrame, s.setLanguage),

		get("/join", public, pageFrame, s.joinForm),
		post("/join", public, pageFrame, s.join),
		get("/login", public, pageFrame, s.loginForm),
		post("/login", public, pageFrame, s.login),
		post("/logout", member, pageFrame, s.logout),

		get("/home", member, pageFrame, s.home),
		post("/home/budget", member, pageFrame, s.setBudget),
		post("/home/undo", member, pageFrame, s.undo),
		post("/home/monthly", member, pageFrame, s.subscribe),
		post("/home/monthly/{id}", member, pageFrame, s.changeSubscription),
		get("/months", member, pageFrame, s.months),
		get("/months/{period}", member, pageFrame, s.month),
		get("/months/{period:[0-9-]+}.{format:csv|json}", member, pageFrame, s.monthFile),

		get("/buttons", member, pageFrame, s.buttons),
		post("/buttons", member, pageFrame, s.createButton),
		get("/buttons/{id}/snippet", member, pageFrame, s.snippet),
		post("/buttons/{id}/look", member, pageFrame, s.lookNow),
		post("/buttons/{id}/remove", member, pageFrame, s.removeButton),
		get("/buttons/{id}/authors", member, pageFrame, s.authors),
		post("/buttons/{id}/authors", member, pageFrame, s.proposeSplit),
		post("/buttons/{id}/authors/withdraw", member, pageFrame, s.withdrawSplit),
		get("/authorships", member, pageFrame, s.authorships),
		post("/authorships", member, pageFrame, s.answerSplit),
		get("/earned", member, pageFrame, s.earned),
		get("/earned.{format:csv|json}", member, pageFrame, s.earnedFile),
		get("/earned/{period}", member, pageFrame, s.revenue),
		get("/earned/{period:[0-9-]+}.{format:csv|json}", member, pageFrame, s.revenueFile),
		get("/withdraw", member, pageFrame, s.withdrawForm),
		post("/withdraw", member, pageFrame, s.withdraw),
		get("/refund", member, pageFrame, s.refundForm),
		post("/refund", member, pageFrame, s.refund),

		get("/settings", member, pageFrame, s.settings),
		post("/settings", member, pageFrame, s.saveSettings),
		get("/settings/delete", member, pageFrame, s.deleteForm),
		post("/settings/delete", member, pageFrame, s.deleteAccount),

		get("/@{name}", public, pageFrame, s.profile),
		get("/@{name}/flattr", public, popupFrame, s.byURL),
		get("/@{name}/flattr.json", public, embedFrame, s.countByURL),
		get("/@{name}/flattr.svg", public, embedFrame, s.badgeByURL),
		get("/f/{id:[a-z0-9]+}", public, popupFrame, s.thing),
		post("/f/{id:[a-z0-9]+}", public, popupFrame, s.goHome),
		get("/f/{id:[a-z0-9]+}/done", public, popupFrame, s.flattrDone),
		get("/f/{id:[a-z0-9]+}/cancelled", public, popupFrame, s.flattrCancelled),
		get("/f/{id:[a-z0-9]+}.json", public, embedFrame, s.count),
		get("/f/{id:[a-z0-9]+}.svg", public, embedFrame, s.badge),
		get("/intents/flattr", member, popupFrame, s.intent),
		post("/intents/flattr", member, popupFrame, s.confirm),
		post("/intents/flattr/undo", member, popupFrame, s.intentUndo),

		get("/embed/v1.js", public, embedFrame, s.embedScript),
		get("/static/{file}", public, assetFrame, s.static),
		get("/favicon.ico", public, assetFrame, s.favicon),
		get("/robots.txt", public, assetFrame, s.robots),
	}
	return slices.Concat(all, s.adminRoutes(), s.peerRoutes(), s.testRoutes())
}

// adminRoutes are the operator's; adminPages says what each shows.
func (s *Site) adminRoutes() []route {
	return []route{
		get("/admin", operator, pageFrame, s.admin),
		post("/admin/bank", operator, pageFrame, s.bankCompared),
		get("/admin/invites", operator, pageFrame, s.invites),
		post("/admin/invites", operator, pageFrame, s.createInvite),
		get("/admin/funds", operator, pageFrame, s.funds),
		post("/admin/funds/payout", operator, pageFrame, s.payout),
		post("/admin/funds/left/{id}/pay", operator, pageFrame, s.payLeft),
		post("/admin/funds/left/{id}/give", operator, pageFrame, s.giveLeft),
		post("/admin/funds/rate", operator, pageFrame, s.setRate),
		get("/admin/peers", operator, pageFrame, s.peers),
		post("/admin/peers/threshold", operator, pageFrame, s.setThreshold),
		get("/admin/months", operator, pageFrame, s.adminMonths),
		get("/admin/months/{period}", operator, pageFrame, s.instanceMonth),
		get("/admin/months/{period:[0-9-]+}.{format:csv|json}", operator, pageFrame, s.instanceFile),
		get("/admin/deposits", operator, pageFrame, s.deposits),
		post("/admin/deposits", operator, pageFrame, s.recordDeposit),
		get("/admin/deposits/{id}/reverse", operator, pageFrame, s.reverseForm),
		post("/admin/deposits/{id}/reverse", operator, pageFrame, s.reverse),
		get("/admin/withdrawals", operator, pageFrame, s.withdrawals),
		post("/admin/withdrawals/{id}/paid", operator, pageFrame, s.withdrawalPaid),
		post("/admin/withdrawals/{id}/refused", operator, pageFrame, s.withdrawalRefused),
		get("/admin/payments", operator, pageFrame, s.payments),
		get("/admin/payments/list", operator, pageFrame, s.paymentList),
		post("/admin/payments", operator, pageFrame, s.preparePayment),
		post("/admin/payments/{id}/sent", operator, pageFrame, s.paymentSent),
		post("/admin/payments/{id}/cancel", operator, pageFrame, s.cancelPayment),
		post("/admin/payments/{id}/received", operator, pageFrame, s.paymentReceived),
		post("/admin/payments/{id}/not-received", operator, pageFrame, s.paymentNotReceived),
		get("/admin/claims", operator, pageFrame, s.claims),
	}
}

// testRoutes exist in test instances only.
func (s *Site) testRoutes() []route {
	if s.test == nil {
		return nil
	}
	return []route{
		post("/test/close-month", member, pageFrame, s.closeMonth),
		post("/test/turn", member, pageFrame, s.turnClock),
	}
}

// mount makes the router of the table.
func (s *Site) mount() http.Handler {
	s.table = s.routes()
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(s.plain(errForeign))
	m := chi.NewRouter()
	s.router = m
	m.Use(s.hostChecked, s.textChecked, middleware.Compress(5), middleware.GetHead, foreign.Handler)
	for _, rt := range s.table {
		m.Method(rt.method, rt.pattern, s.serve(rt))
	}
	m.NotFound(s.serve(s.failing(ledger.ErrNotFound)))
	m.MethodNotAllowed(s.serve(s.failing(errMethod)))
	return m
}

// serve is one route's whole chain.
func (s *Site) serve(rt route) http.HandlerFunc {
	h := http.Handler(s.guarded(rt))
	if rt.frame.personal() {
		h = s.sessions.LoadAndSave(h)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		s.secure(rt.frame, w.Header())
		h.ServeHTTP(w, r)
	}
}

// failing is the route of what isn't in the table.
func (s *Site) failing(err error) route {
	return route{guard: public, frame: pageFrame,
		handle: func(http.ResponseWriter, *http.Request, visit) error { return err }}
}
