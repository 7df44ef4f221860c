package web

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/web/webtest"
)

// shots is where the tour leaves a picture of every page: go test ./web -run Tour -shots DIR
var shots = flag.String("shots", "", "directory for screenshots of every page")

// scene is a town with something on every page.
type scene struct {
	*town
	a, b     *place
	alice    ledger.Member
	foreign  ledger.Button // of b, not flattred by alice
	flattred ledger.Button // of b, flattred by alice
	own      ledger.Button // alice's
}

// newScene plays one and a half months: alice gives and receives, one month is settled.
func newScene(t *testing.T) *scene {
	w := newTown(t, "a", "b")
	s := &scene{town: w, a: w.places["a.localhost:"+w.port], b: w.places["b.localhost:"+w.port]}
	s.alice = s.a.join("alice")
	s.a.operator("rita")
	bob, carol := s.b.join("bob"), s.a.join("carol")
	s.a.Fund(s.alice, 1_000_000)
	s.a.Fund(s.alice, 2_000_000)
	s.a.Fund(carol, 7_000_000)
	s.own = s.a.button(s.alice, "a-walk-along-the-river")
	for i := range 3 {
		s.flattr(s.a, s.alice, s.a.button(carol, fmt.Sprintf("carols-song-number-%d", i)))
	}
	for i := range 4 {
		s.flattr(s.a, s.alice, s.b.button(bob, fmt.Sprintf("essay-%d", i)))
	}
	s.flattr(s.a, carol, s.own)
	s.deliver()
	s.nextMonth()
	for i := range 3 {
		s.flattred = s.b.button(bob, fmt.Sprintf("essay-%d", i))
		s.flattr(s.a, s.alice, s.flattred)
	}
	s.flattr(s.a, s.alice, s.a.button(carol, "carols-song-number-1"))
	s.foreign = s.b.button(bob, "the-next-essay-has-a-title-that-is-rather-long-and-wraps")
	s.deliver()
	s.extras(bob)
	return s
}

// flattr clicks at home, resolving the thing as the intent page does.
func (s *scene) flattr(home *place, giver ledger.Member, b ledger.Button) {
	s.t.Helper()
	ctx := context.Background()
	iri := "http://" + b.URL
	for _, p := range s.places {
		if have, err := p.Ledger.Button(ctx, b.ID); err == nil {
			iri = p.Instance.Instance().ButtonIRI(have.ID)
		}
	}
	thing, err := home.ThingByIRI(ctx, iri)
	if err != nil {
		thing, err = neighbour{s.town, home}.ResolveThing(ctx, iri)
	}
	if err == nil {
		_, _, err = home.Flattr(ctx, giver.ID, thing.ID)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// nextMonth closes the month everywhere and settles it.
func (s *scene) nextMonth() {
	s.t.Helper()
	ctx := context.Background()
	for _, p := range s.places {
		if err := p.closeMonth(ctx); err != nil {
			s.t.Fatal(err)
		}
	}
	s.deliver()
	s.clock.Set(s.clock.Now().Add(25 * time.Hour))
	for _, p := range s.places {
		if err := p.Tick(ctx); err != nil {
			s.t.Fatal(err)
		}
	}
}

// extras puts something on the operator's pages.
func (s *scene) extras(bob ledger.Member) {
	s.t.Helper()
	ctx := context.Background()
	_, err := s.a.RequestWithdrawal(ctx, s.alice.ID, 2_000_000, "DE02120300000000202051")
	if err == nil {
		_, err = s.a.PinPeer(ctx, ledger.PeerIdentity{Host: "b.localhost:" + s.port, Actor: s.b.Base + "/actor",
			AccountingKey: "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", AccountingKeyID: s.b.Base + "/actor#accounting-key"})
	}
	if err == nil {
		err = s.monthly(ctx)
	}
	s.a.keeps(s.alice, nobodys(s.town))
	if err == nil {
		_, err = s.a.CreateInvite(ctx, s.a.Op.ID, "for the reading circle", 5)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// monthly lets the first of alice's flattrs repeat for half a year and the second, which rests, for ever.
func (s *scene) monthly(ctx context.Context) error {
	m, err := s.a.MyMonth(ctx, s.alice.ID, "")
	if err != nil {
		return err
	}
	for n, line := range m.Lines[:2] {
		repeats, err := s.a.Subscribe(ctx, s.alice.ID, line.Thing, int32(6*(1-n)))
		if err == nil && n == 1 {
			err = s.a.PauseSubscription(ctx, s.alice.ID, repeats.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moneyMoves puts payments of every state on the operator's pages: one peer announces more than are shown.
func (s *scene) moneyMoves() {
	s.t.Helper()
	ctx, host := context.Background(), "b.localhost:"+s.port
	s.offer()
	s.a.announce("loud.example", "alice", openPerPeer+3)
	open, err := s.a.OpenPayments(ctx, 1)
	if err == nil {
		err = s.a.ConfirmPayment(ctx, s.a.Op.ID, open[0].Payments[0].ID, 10_000)
	}
	if err == nil {
		err = s.a.SetThreshold(ctx, s.a.Op.ID, host, 10_000)
	}
	if err == nil {
		_, err = s.a.PreparePayment(ctx, s.a.Op.ID, host)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// trouble puts on a peer's page all that there may be on it: an advance, something given up, something proposed, a dispute,
// a freeze; and another peer's key changes.
func (s *scene) trouble() {
	s.t.Helper()
	const host, key = "debtor.example", "z6MkvQnUuQn3s52dw4FF3T87sfaTvXRW7owE1QMvFwpag2Bf"
	ctx := context.Background()
	operator, err := s.a.MemberByName(ctx, "rita")
	if err != nil {
		s.t.Fatal(err)
	}
	rita := operator.ID
	_, err = s.a.PinPeer(ctx, ledger.PeerIdentity{Host: host, Actor: "https://debtor.example/actor", AccountingKey: key, AccountingKeyID: "https://debtor.example/actor#accounting-key"})
	steps := []func() error{
		func() error { return s.a.ConfirmPeerKey(ctx, rita, host, key) },
		func() error { return s.a.SetAdvanceLimit(ctx, rita, host, 100_000) },
		func() error { s.a.claimOf(host, "alice", 1, 12); return nil },
		func() error {
			_, err := s.a.ProposeWriteOff(ctx, s.a.Op.ID, host, "They are insolvent; file 7 IN 12/26.")
			return err
		},
		func() error {
			all, err := s.a.WriteOffs(ctx, host)
			if err != nil {
				return err
			}
			return s.a.ConfirmWriteOff(ctx, rita, all[0].ID)
		},
		func() error {
			id, err := s.a.OpenDispute(ctx, rita, host, "https://debtor.example/claims/2026-11/"+s.a.Instance.Instance().Host+"/EUR/1", "They say that they had paid it in October.")
			if err != nil {
				return err
			}
			return s.a.NoteDispute(ctx, s.a.Op.ID, id, "Nothing of it is on our account.")
		},
		func() error { s.a.claimOf(host, "alice", 2, 7); return nil },
		func() error { _, err := s.a.ProposeWriteOff(ctx, s.a.Op.ID, host, "And this, too."); return err },
		func() error { return s.a.FreezePeer(ctx, rita, host, "Nobody answers the telephone.") },
		func() error {
			_, err := s.a.HoldPeerKey(ctx, "b.localhost:"+s.port, key, s.b.Base+"/actor#accounting-key")
			return err
		},
	}
	for _, step := range steps {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.clock.Set(s.clock.Now().Add(40 * 24 * time.Hour))
}

// stop is one page of the tour: who looks at it, and where.
type stop struct {
	name, as, path string
}

func (s *scene) stops() []stop {
	intent := func(object string) string {
		return "/intents/flattr?" + url.Values{"object": {object}, "on-success": {s.b.Base + "/f/x/done"},
			"on-cancel": {s.b.Base + "/f/x/cancelled"}}.Encode()
	}
	return []stop{
		{"landing", "", "/"}, {"landing-wrong", "", "/?budget=x&clicks=99"}, {"landing-thirds", "", "/?budget=1&clicks=3"},
		{"about", "", "/about"}, {"totals", "", "/totals"}, {"total", "", "/totals/2026-11"}, {"waiting", "", "/waiting?q=jo@social.example"}, {"waiting-wrong", "", "/waiting?q="}, {"ns", "", "/ns"}, {"join", "", "/join?code=bad"}, {"login", "", "/login"},
		{"profile", "", "/@alice"}, {"thing", "", "/f/" + s.own.ID}, {"notfound", "", "/nothing"},
		{"nobutton", "", "/@alice/flattr?url=https://other.example/page"},
		{"done", "", "/f/" + s.own.ID + "/done?s=flattred"}, {"cancelled", "", "/f/" + s.own.ID + "/cancelled"},
		{"login-popup", "", intent(s.b.Instance.Instance().ButtonIRI(s.foreign.ID))},
		{"home", "alice", "/home"}, {"months", "alice", "/months"}, {"month", "alice", "/months/2026-11"},
		{"buttons", "alice", "/buttons"}, {"snippet", "alice", "/buttons/" + s.own.ID + "/snippet"},
		{"earned", "alice", "/earned"}, {"revenue", "alice", "/earned/2026-11"}, {"revenue-open", "alice", "/earned/2026-12"},
		{"withdraw", "alice", "/withdraw"}, {"settings", "alice", "/settings"},
		{"delete", "alice", "/settings/delete"},
		{"intent", "alice", intent(s.b.Instance.Instance().ButtonIRI(s.foreign.ID))},
		{"intent-again", "alice", intent(s.b.Instance.Instance().ButtonIRI(s.flattred.ID))},
		{"intent-own", "alice", intent(s.a.Instance.Instance().ButtonIRI(s.own.ID))},
		{"keep", "alice", intent(nobodys(s.town))}, {"keep-new", "dora", intent(nobodys(s.town) + "/new")},
		{"home-new", "dora", "/home"}, {"earned-new", "dora", "/earned"}, {"buttons-new", "dora", "/buttons"},
		{"withdraw-new", "dora", "/withdraw"}, {"delete-new", "dora", "/settings/delete"},
		{"intent-unfunded", "dora", intent(s.b.Instance.Instance().ButtonIRI(s.foreign.ID))},
		{"admin", "rita", "/admin"}, {"admin-invites", "rita", "/admin/invites"}, {"admin-peers", "rita", "/admin/peers"},
		{"admin-peer", "rita", "/admin/peers/debtor.example"}, {"admin-peer-held", "rita", "/admin/peers/b.localhost:" + s.port},
		{"admin-months", "rita", "/admin/months"},
		{"admin-month", "rita", "/admin/months/2026-11"}, {"admin-deposits", "rita", "/admin/deposits"},
		{"admin-withdrawals", "rita", "/admin/withdrawals"}, {"admin-payments", "rita", "/admin/payments"},
		{"admin-paymentlist", "rita", "/admin/payments/list?state=open&direction=in&peer=loud.example"},
		{"admin-finished", "rita", "/admin/payments/list"},
		{"admin-funds", "rita", "/admin/funds"}, {"admin-reverse", "rita", "/admin/deposits/1/reverse"}, {"refund", "alice", "/refund"},
		{"admin-claims", "rita", "/admin/claims"}, {"admin-claims-of", "rita", "/admin/claims?peer=loud.example"},
	}
}

// TestTour opens every page in Chromium, in German, whose words are longer: none is wider than a
// phone, and neither a script nor a policy complains.
func TestTour(t *testing.T) {
	ctx := webtest.Browser(t)
	s := newScene(t)
	s.a.join("dora")
	s.moneyMoves()
	s.trouble()
	complaints := webtest.Complaints(t, ctx)
	s.tours(ctx, s.stops())
	if err := s.a.Restored(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.tours(ctx, []stop{{"admin-restored", "rita", "/admin"}, {"admin-peers-restored", "rita", "/admin/peers"},
		{"admin-peer-restored", "rita", "/admin/peers/b.localhost:" + s.port}, {"admin-withdrawals-restored", "rita", "/admin/withdrawals"}, {"admin-payments-restored", "rita", "/admin/payments"}})
	for _, c := range complaints() {
		t.Error(c)
	}
}

// tours goes there in German, and where pictures are wanted, in English and in every look.
func (s *scene) tours(ctx context.Context, stops []stop) {
	s.t.Helper()
	s.tour(ctx, stops, "de", map[string]webtest.Look{"360-de": {Width: 360}})
	if *shots != "" {
		s.tour(ctx, stops, "en", map[string]webtest.Look{"360": {Width: 360}, "1280": {Width: 1280},
			"360-dark": {Width: 360, Dark: true}, "1280-dark": {Width: 1280, Dark: true}})
	}
}

func (s *scene) tour(ctx context.Context, stops []stop, lang string, looks map[string]webtest.Look) {
	s.t.Helper()
	if err := chromedp.Do(ctx, webtest.Forget()); err != nil {
		s.t.Fatal(err)
	}
	as := "-"
	for _, stop := range stops {
		if stop.as != as {
			s.enter(ctx, stop.as, lang)
			as = stop.as
		}
		for name, look := range looks {
			s.look(ctx, stop, name, look)
		}
	}
}

// enter chooses a language and logs a member in, both with the page's forms.
func (s *scene) enter(ctx context.Context, name, lang string) {
	s.t.Helper()
	steps := chromedp.Navigate(s.a.Base + "/about")
	if name != "" {
		steps = chromedp.Steps(webtest.Forget(), chromedp.Navigate(s.a.Base+"/login"),
			chromedp.SetValue(chromedp.CSS("#f-name"), name), chromedp.SetValue(chromedp.CSS("#f-password"), testPassword),
			chromedp.Click(chromedp.CSS("main button")), chromedp.WaitVisible(chromedp.CSS("#payin-title")))
	}
	if err := chromedp.Do(ctx, steps); err != nil {
		s.t.Fatalf("enter as %q: %v", name, err)
	}
	speak(s.t, ctx, lang)
}

// speak chooses a language at the page's foot and waits for the page that follows.
func speak(t *testing.T, ctx context.Context, lang string) {
	t.Helper()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS("button[value="+lang+"]"))); err != nil {
		t.Fatalf("choose %s: %v", lang, err)
	}
}

func (s *scene) look(ctx context.Context, at stop, name string, look webtest.Look) {
	s.t.Helper()
	if err := chromedp.Do(ctx, webtest.Wear(look), chromedp.Navigate(s.a.Base+at.path),
		chromedp.WaitVisible(chromedp.CSS("main"))); err != nil {
		s.t.Fatalf("%s: %v", at.name, err)
	}
	wide, err := webtest.Wide(ctx)
	if err != nil || wide > 0 {
		s.t.Errorf("%s at %s is %d pixels too wide (%v)", at.name, name, wide, err)
	}
	if *shots == "" {
		return
	}
	png, err := webtest.Shot(ctx)
	if err == nil {
		err = os.WriteFile(filepath.Join(*shots, strings.Join([]string{at.name, name, "png"}, ".")), png, 0o644)
	}
	if err != nil {
		s.t.Error(err)
	}
}
