package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
	"github.com/fedflattr/flattrd/web/webtest"
)

// localWorld runs what localserve runs, on a database server shared with the other tests.
func localWorld(t *testing.T) (*world, *seeded) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := &Database{DatabaseURL: ledgertest.ServerDSN(t), Data: t.TempDir()}
	w, err := newWorld(ctx, d, 0, true)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	s, err := w.seed(ctx)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.serve(ctx, func() {}, byHost{"blog.localhost": s.blog(w)}) }()
	t.Cleanup(func() {
		for _, i := range w.instances {
			found, err := i.ledger.Check(context.Background())
			if err != nil || len(found) > 0 {
				t.Errorf("%s: %v %v", i.ledger.Instance().Host, found, err)
			}
		}
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		w.dropAll(context.Background())
		w.close()
	})
	return w, s
}

// count is what the button's JSON says.
func count(t *testing.T, button string) string {
	t.Helper()
	resp, err := newBrowser().client.Get(button + ".json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return strings.TrimSpace(string(body))
}

// atHome logs in where the popup has arrived, if it must, and makes the click that counts.
func atHome(ctx context.Context, name string) error {
	path, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.pathname`))
	if err != nil {
		return err
	}
	if path == "/login" {
		if err := chromedp.Do(ctx,
			chromedp.SendKeys(chromedp.CSS("input[name=name]"), name),
			chromedp.SendKeys(chromedp.CSS("input[name=password]"), playPassword),
			chromedp.Click(chromedp.CSS("main form button"))); err != nil {
			return fmt.Errorf("log in: %w", err)
		}
	}
	armed := chromedp.CSS("form[action^='/intents/flattr'] button.armed")
	if err := chromedp.Do(ctx, chromedp.WaitVisible(armed), chromedp.Sleep(600*time.Millisecond), chromedp.Click(armed)); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	return nil
}

// Without JavaScript the button is a link, and the way back is one too. The home is asked for once.
func TestFlattrFromTheBlogWithoutScript(t *testing.T) {
	w, s := localWorld(t)
	ctx := webtest.Browser(t)
	home := "alice@" + worldHost("a", w.port)
	first, second := s.posts[0], s.posts[2] // both of one creator's instance
	if err := chromedp.Do(ctx, webtest.Wear(webtest.Look{Width: 900, NoScript: true}),
		chromedp.Navigate(fmt.Sprintf("http://%s/%s", worldHost("blog", w.port), first.Slug)),
		chromedp.Click(chromedp.CSS("flattr-button a")),
		chromedp.SendKeys(chromedp.CSS("input[name=flattr-address]"), home),
		chromedp.Click(chromedp.CSS("form.ask button, main form button.wide")),
		chromedp.WaitVisible(chromedp.CSS("input[name=password]"))); err != nil {
		t.Fatal("ask for the home: ", err)
	}
	if err := atHome(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	waitCount(t, ctx, first.Button, 1)
	if err := chromedp.Do(ctx,
		chromedp.Navigate(fmt.Sprintf("http://%s/%s", worldHost("blog", w.port), second.Slug)),
		chromedp.Click(chromedp.CSS("flattr-button a")),
		chromedp.WaitVisible(chromedp.CSS("button.armed"))); err != nil {
		t.Fatal("the second time the home isn't asked: ", err)
	}
	if err := atHome(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	waitCount(t, ctx, second.Button, 1)
}

func waitCount(t *testing.T, ctx context.Context, button string, want int) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS("main"))); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for got := ""; ; time.Sleep(100 * time.Millisecond) {
		if got = count(t, button); strings.Contains(got, fmt.Sprintf(`"n":%d,`, want)) {
			return
		}
		if time.Now().After(deadline) {
			at, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.querySelector("main").innerText`))
			t.Fatalf("%s says %s, want %d; the window shows %s", button, got, want, at)
		}
	}
}

// With JavaScript a small window opens, closes by itself, and the count on the blog rises.
func TestFlattrFromTheBlogWithScript(t *testing.T) {
	w, s := localWorld(t)
	ctx := webtest.Browser(t)
	post := s.posts[1]
	home := "alice@" + worldHost("a", w.port)
	blog := fmt.Sprintf("http://%s/%s", worldHost("blog", w.port), post.Slug)
	button := chromedp.CSS("flattr-button[state]")
	if err := chromedp.Do(ctx, chromedp.Navigate(blog), chromedp.WaitVisible(button)); err != nil {
		t.Fatal(err)
	}
	popup := openPopup(t, ctx)
	if err := chromedp.Do(popup,
		chromedp.SendKeys(chromedp.CSS("input[name=flattr-address]"), home),
		chromedp.Click(chromedp.CSS("main form button.wide")),
		chromedp.WaitVisible(chromedp.CSS("input[name=password]"))); err != nil {
		t.Fatal("ask for the home: ", err)
	}
	if err := atHome(popup, "alice"); err != nil {
		t.Fatal(err)
	}
	risen := `document.querySelector("flattr-button").shadowRoot.querySelector("[part=count]").textContent === "1" &&
		document.querySelector("flattr-button").getAttribute("state") === "flattred"`
	deadline := time.Now().Add(20 * time.Second)
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](risen))
		if err == nil && ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the count on the blog didn't rise: %v; the instance says %s", err, count(t, post.Button))
		}
		time.Sleep(100 * time.Millisecond)
	}
	waitCount(t, ctx, post.Button, 1)
}

// openPopup clicks the button with real input, past the real popup blocker, and returns the window.
func openPopup(t *testing.T, ctx context.Context) context.Context {
	t.Helper()
	opened := chromedp.WaitNewTarget(ctx, func(i *target.Info) bool { return i.Type == "page" && i.OpenerID != "" })
	at, err := chromedp.Run(ctx, chromedp.Evaluate[[]float64](`(() => {
		const r = document.querySelector("flattr-button").shadowRoot.querySelector("a").getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2] })()`))
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.MouseClickXY(at[0], at[1])); err != nil {
		t.Fatal(err)
	}
	select {
	case id := <-opened:
		popup, cancel := chromedp.NewContext(ctx, chromedp.WithTargetID(id))
		t.Cleanup(cancel)
		return popup
	case <-time.After(10 * time.Second):
		t.Fatal("no window opened")
	}
	return nil
}
