// Package webtest drives a real Chromium for tests, a fresh one with an empty profile for each. Test instances live below .localhost, which Chromium resolves by
// itself and treats as secure over plain http, so that cookies, fetch metadata and opener policies
// behave as they do in production.
//
// Without Chromium a test skips and says so; with CI=true it fails, because a suite that checks
// nothing shouldn't be green.
package webtest

import (
	"context"
	"os"
	"os/exec"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"

	"github.com/chromedp/chromedp"
)

// patience bounds one browser test, on a machine that does other things too.
const patience = 2 * time.Minute

var binaries = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// find is the browser's binary.
func find(t testing.TB) string {
	t.Helper()
	for _, name := range binaries {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no Chromium here: install it (apt-get install chromium); CI doesn't skip browser tests")
	}
	t.Skip("no Chromium here: browser tests are skipped; apt-get install chromium to run them")
	return ""
}

// Browser starts a browser for one test and returns its chromedp context; it ends with the test and
// leaves nothing behind.
func Browser(t testing.TB) context.Context {
	t.Helper()
	path := find(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("no-pings", true), chromedp.Flag("lang", "en"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, forget := chromedp.NewContext(allocator)
	t.Cleanup(forget)
	// The first run binds the browser's life to its context, which must have no time limit of its own.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(900, 700)); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close the browser: %v", err)
		}
	})
	limited, cancel := context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	return limited
}

// Look is how a page is looked at.
type Look struct {
	Width    int64
	Dark     bool
	NoScript bool
}

// Wear sets the window's width, colour scheme and scripting.
func Wear(l Look) chromedp.Action[chromedp.Void] {
	scheme := "light"
	if l.Dark {
		scheme = "dark"
	}
	return chromedp.Steps(
		chromedp.EmulateViewport(l.Width, 800),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			return err
		}),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled,
				emulation.SetScriptExecutionDisabledParams{Value: l.NoScript})
			return err
		}))
}

// Shot takes a PNG of the whole page.
func Shot(ctx context.Context) ([]byte, error) {
	size, err := chromedp.Call(ctx, page.GetLayoutMetrics, cdp.Empty{})
	if err != nil {
		return nil, err
	}
	answer, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: new(true),
		Clip: &page.Viewport{Width: size.CSSContentSize.Width, Height: size.CSSContentSize.Height, Scale: 1}})
	if err != nil {
		return nil, err
	}
	return answer.Data, nil
}

// Wide tells by how many pixels a page is wider than its window; 0 is right.
func Wide(ctx context.Context) (int, error) {
	return chromedp.Run(ctx, chromedp.Evaluate[int](
		`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
}

// Forget clears the window's cookies: the next page meets a stranger.
func Forget() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, network.ClearBrowserCookies, cdp.Empty{})
		return err
	})
}

// Complaints begins to listen for what Chromium holds against the window's pages: uncaught errors,
// violated policies, missing files. The function it returns lists them.
func Complaints(t testing.TB, ctx context.Context) func() []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	add := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, s)
	}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			add("uncaught: " + e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			// A page that is refused on purpose (422, 404) is logged as a failed load of itself.
			page := e.Entry.Source == log.EntrySourceNetwork && path.Ext(e.Entry.URL) == ""
			if e.Entry.Level == log.EntryLevelError && !page {
				add(string(e.Entry.Source) + ": " + e.Entry.Text + " " + e.Entry.URL)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}
