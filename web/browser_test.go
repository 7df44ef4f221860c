package web

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/fedflattr/flattrd/web/webtest"
)

// openBlog shows the blog with bob's button and waits until its count is there.
func (s *street) openBlog(ctx context.Context) {
	s.t.Helper()
	s.blogOf(s.popup())
	if err := chromedp.Do(ctx, chromedp.Navigate("http://blog.localhost:"+s.port+"/essay"),
		chromedp.WaitVisible(chromedp.CSS("flattr-button[state=idle]"))); err != nil {
		s.t.Fatal(err)
	}
	s.await(ctx, "count 0", `document.querySelector('flattr-button').shadowRoot.querySelector('i').textContent === '0'`)
}

// evaluate runs an expression in a page. It gives up soon: a page that is just being left answers never.
func evaluate[T any](ctx context.Context, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

// await waits until a page's expression is true.
func (s *street) await(ctx context.Context, what, expression string) {
	s.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	var err error
	for time.Now().Before(deadline) {
		var ok bool
		if ok, err = evaluate[bool](ctx, expression); err == nil && ok {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := evaluate[string](ctx, `location.href + ' ' + document.body.innerText`)
	s.t.Fatalf("waited in vain for %s: %v: %s", what, err, text)
}

// clickButton clicks the blog's button with the mouse. It returns the window that opens, and a
// channel that ends when that window is gone.
func (s *street) clickButton(ctx context.Context) (popup context.Context, closed <-chan struct{}) {
	s.t.Helper()
	opened := chromedp.WaitNewTarget(ctx, func(i *target.Info) bool { return i.Type == "page" && i.OpenerID != "" })
	type point struct{ X, Y float64 }
	at, err := chromedp.Run(ctx, chromedp.Evaluate[point](`(() => {
		const r = document.querySelector('flattr-button').shadowRoot.querySelector('a').getBoundingClientRect();
		return {X: r.x + 20, Y: r.y + r.height / 2}; })()`))
	if err == nil {
		err = chromedp.Do(ctx, chromedp.MouseClickXY(at.X, at.Y))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	select {
	case id := <-opened:
		popup, cancel := chromedp.NewContext(ctx, chromedp.WithTargetID(id))
		s.t.Cleanup(cancel)
		// The first run binds the window to its context, which must have no time limit of its own.
		if err := chromedp.Do(popup); err != nil {
			s.t.Fatal(err)
		}
		return popup, s.closing(ctx, id)
	case <-time.After(10 * time.Second):
		s.t.Fatal("no window opened")
		return nil, nil
	}
}

func (s *street) closing(ctx context.Context, id target.ID) <-chan struct{} {
	s.t.Helper()
	closed := make(chan struct{})
	var once sync.Once
	if err := chromedp.ListenBrowser(ctx, func(e any) {
		if gone, ok := e.(*target.EventTargetDestroyed); ok && gone.TargetID == id {
			once.Do(func() { close(closed) })
		}
	}); err != nil {
		s.t.Fatal(err)
	}
	return closed
}

func (s *street) waitClosed(closed <-chan struct{}) {
	s.t.Helper()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		s.t.Error("the window stays open")
	}
}

func (s *street) do(ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		s.t.Fatal(err)
	}
}

// armed waits until the confirm button takes clicks: half a second after it is painted.
func (s *street) armed(popup context.Context) {
	s.t.Helper()
	s.await(popup, "the armed button", `(e => e && getComputedStyle(e).pointerEvents === 'auto')(document.querySelector('.armed'))`)
}

// TestButtonInChromium is the whole flow as a reader has it: click, name the home, log in, confirm;
// the window closes and the count rises. The second time the home isn't asked.
func TestButtonInChromium(t *testing.T) {
	ctx := webtest.Browser(t)
	s := newStreet(t)
	s.a.Fund(s.alice, 1_000_000)
	complaints := webtest.Complaints(t, ctx)
	s.openBlog(ctx)

	popup, closed := s.clickButton(ctx)
	s.do(popup, chromedp.WaitVisible(chromedp.CSS("#f-flattr-address")),
		chromedp.SendKeys(chromedp.CSS("#f-flattr-address"), "@alice@a.localhost:"+s.port),
		chromedp.Click(chromedp.CSS("main button.wide")), chromedp.WaitVisible(chromedp.CSS("#f-password")),
		chromedp.SendKeys(chromedp.CSS("#f-name"), "alice"), chromedp.SendKeys(chromedp.CSS("#f-password"), testPassword),
		chromedp.Click(chromedp.CSS("main button")), chromedp.WaitVisible(chromedp.CSS("button.armed")))
	s.armed(popup)
	s.do(popup, chromedp.Click(chromedp.CSS("button.armed")))
	s.await(ctx, "flattred, count 1", `(b => b.getAttribute('state') === 'flattred' &&
		b.shadowRoot.querySelector('i').textContent === '1' && b.shadowRoot.querySelector('[role=status]').textContent.includes('Thank you')
		)(document.querySelector('flattr-button'))`)
	if s.clicks() != 1 {
		t.Fatalf("%d clicks", s.clicks())
	}

	s.waitClosed(closed)
	again := s.b.button(s.bob, "another-essay")
	s.button = again
	s.openBlog(ctx)
	popup, closed = s.clickButton(ctx)
	s.do(popup, chromedp.WaitVisible(chromedp.CSS("button.armed")))
	if at, err := chromedp.Run(popup, chromedp.Location()); err != nil || !strings.HasPrefix(at, s.a.Base+"/intents/flattr") {
		t.Errorf("the second time it stopped at %s (%v)", at, err)
	}
	s.armed(popup)
	s.do(popup, chromedp.Click(chromedp.CSS("button.armed")))
	s.await(ctx, "the second one flattred", `document.querySelector('flattr-button').getAttribute('state') === 'flattred'`)
	s.waitClosed(closed)
	for _, c := range complaints() {
		t.Error(c)
	}
	if kept, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.cookie.length + localStorage.length + sessionStorage.length`)); err != nil || kept != 0 {
		t.Errorf("the blog keeps %d of something (%v)", kept, err)
	}
}

// TestButtonCancelled: nothing is given and the button stays as it was.
func TestButtonCancelled(t *testing.T) {
	ctx := webtest.Browser(t)
	s := newStreet(t)
	s.a.Fund(s.alice, 1_000_000)
	s.do(ctx, chromedp.Navigate(s.a.Base+"/login"), chromedp.SendKeys(chromedp.CSS("#f-name"), "alice"),
		chromedp.SendKeys(chromedp.CSS("#f-password"), testPassword), chromedp.Click(chromedp.CSS("main button")),
		chromedp.WaitVisible(chromedp.CSS("#payin-title")))
	s.openBlog(ctx)
	popup, closed := s.clickButton(ctx)
	s.do(popup, chromedp.WaitVisible(chromedp.CSS("#f-flattr-address")),
		chromedp.SendKeys(chromedp.CSS("#f-flattr-address"), "a.localhost:"+s.port+"\r"),
		chromedp.WaitVisible(chromedp.CSS("button.armed")))
	s.do(popup, chromedp.Click(chromedp.CSS("a.plain.wide")))
	s.waitClosed(closed)
	s.await(ctx, "an idle button", `document.querySelector('flattr-button').getAttribute('state') === 'idle'`)
	if s.clicks() != 0 {
		t.Errorf("%d clicks", s.clicks())
	}
}

// TestButtonWithoutScript: the same way by plain links and forms, with JavaScript switched off.
func TestButtonWithoutScript(t *testing.T) {
	ctx := webtest.Browser(t)
	s := newStreet(t)
	s.a.Fund(s.alice, 1_000_000)
	s.blogOf(s.popup())
	s.do(ctx, webtest.Wear(webtest.Look{Width: 480, NoScript: true}),
		chromedp.Navigate("http://blog.localhost:"+s.port+"/essay"), chromedp.Click(chromedp.CSS("flattr-button a")),
		chromedp.WaitVisible(chromedp.CSS("#f-flattr-address")),
		chromedp.SendKeys(chromedp.CSS("#f-flattr-address"), "alice@a.localhost:"+s.port+"\r"),
		chromedp.WaitVisible(chromedp.CSS("#f-password")),
		chromedp.SendKeys(chromedp.CSS("#f-name"), "alice"), chromedp.SendKeys(chromedp.CSS("#f-password"), testPassword+"\r"),
		chromedp.WaitVisible(chromedp.CSS("button.armed")), chromedp.Sleep(700*time.Millisecond),
		chromedp.Click(chromedp.CSS("button.armed")), chromedp.WaitVisible(chromedp.CSS("#done")))
	said, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("#done")))
	if err != nil || !strings.Contains(said, "1 flattr") || !strings.Contains(said, "Thank you!") {
		t.Errorf("%q %v", said, err)
	}
	s.do(ctx, chromedp.Click(chromedp.CSS("#done a")), chromedp.WaitVisible(chromedp.CSS("flattr-button a")))
}

// TestConfirmSleeps: the confirm button takes no click in the half second after it was painted, so
// that the second half of a double click confirms nothing (E1).
func TestConfirmSleeps(t *testing.T) {
	ctx := webtest.Browser(t)
	s := newStreet(t)
	s.a.Fund(s.alice, 1_000_000)
	s.do(ctx, chromedp.Navigate(s.intent()), chromedp.SendKeys(chromedp.CSS("#f-name"), "alice"),
		chromedp.SendKeys(chromedp.CSS("#f-password"), testPassword), chromedp.Click(chromedp.CSS("main button")),
		chromedp.WaitVisible(chromedp.CSS("button.armed")))
	s.armed(ctx)
	events, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => {
		const b = document.querySelector('.armed'); b.classList.remove('armed'); void b.offsetWidth; b.classList.add('armed');
		return getComputedStyle(b).pointerEvents; })()`))
	if err != nil || events != "none" {
		t.Errorf("just painted it takes clicks: %q %v", events, err)
	}
	s.armed(ctx)
}

// TestButtonOffline: without an answer the button says so, and stays a link.
func TestButtonOffline(t *testing.T) {
	ctx := webtest.Browser(t)
	s := newStreet(t)
	s.openBlog(ctx)
	if err := s.b.RemoveButton(context.Background(), s.bob.ID, s.button.ID); err != nil {
		t.Fatal(err)
	}
	s.do(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[any](`document.querySelector('flattr-button').refresh(true)`))
		return err
	}))
	s.await(ctx, "an inactive button", `document.querySelector('flattr-button').getAttribute('state') === 'inactive'`)
	s.blogOf(s.b.Base + "/f/aaaaaaaaaaaa")
	s.do(ctx, chromedp.Navigate("http://blog.localhost:"+s.port+"/other"))
	s.await(ctx, "an offline button", `(b => b.getAttribute('state') === 'offline' &&
		b.shadowRoot.querySelector('a').href.endsWith('/f/aaaaaaaaaaaa'))(document.querySelector('flattr-button'))`)
}

// TestCountsAgree: the script writes counts as the server does.
func TestCountsAgree(t *testing.T) {
	ctx := webtest.Browser(t)
	s := newStreet(t)
	s.openBlog(ctx)
	words, err := loadSpeech()
	if err != nil {
		t.Fatal(err)
	}
	for _, sp := range words {
		for _, n := range []int64{0, 999, 1234, 99_999, 100_000, 123_456, 999_999, 1_000_000, 12_345_678} {
			got, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => {
				const b = document.createElement('flattr-button');
				b.lang = '`+sp.lang+`'; b.setAttribute('load', 'none'); b.setAttribute('count', '`+strconv.FormatInt(n, 10)+`');
				b.append(Object.assign(document.createElement('a'), {href: '`+s.popup()+`', textContent: 'Flattr'}));
				document.body.append(b);
				const said = b.shadowRoot.querySelector('i').textContent; b.remove(); return said; })()`))
			want := sp.compact(n)
			if n == 0 {
				want = "–" // no count was given
			}
			if err != nil || got != want {
				t.Errorf("%s: %d is %q, the server writes %q (%v)", sp.lang, n, got, want, err)
			}
		}
	}
}

// TestLandingLive: the landing page's script shares as the server does.
func TestLandingLive(t *testing.T) {
	ctx := webtest.Browser(t)
	w, a := single(t)
	s := &street{town: w, a: a}
	for _, lang := range []string{"en", "de"} {
		s.do(ctx, chromedp.Navigate(a.Base+"/about"))
		speak(t, ctx, lang)
		s.do(ctx, chromedp.Navigate(a.Base+"/"), chromedp.WaitNotVisible(chromedp.CSS("#show")))
		for _, c := range []struct{ budget, clicks string }{{"1", "10"}, {"1.00", "3"}, {"7,5", "13"}, {"1000", "30"}} {
			live, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => {
				const f = document.getElementById('split'); f.budget.value = '`+c.budget+`'; f.clicks.value = '`+c.clicks+`';
				f.dispatchEvent(new Event('input', {bubbles: true}));
				return [document.getElementById('each').innerHTML, document.querySelectorAll('#bar li').length,
					document.getElementById('rest').hidden].join(' ').replaceAll('&nbsp;', '\u00a0'); })()`))
			if err != nil {
				t.Fatal(err)
			}
			s.do(ctx, chromedp.Navigate(a.Base+"/?budget="+c.budget+"&clicks="+c.clicks), chromedp.WaitNotVisible(chromedp.CSS("#show")))
			served, err := chromedp.Run(ctx, chromedp.Evaluate[string](`[document.getElementById('each').innerHTML,
				document.querySelectorAll('#bar li').length, document.getElementById('rest').hidden].join(' ').replaceAll('&nbsp;', '\u00a0')`))
			if err != nil || live != served {
				t.Errorf("%s, %v: live %q, served %q (%v)", lang, c, live, served, err)
			}
		}
	}
}
