package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// browser makes the requests that a person's browser makes, without JavaScript: it follows links,
// fills in forms as they stand on the page, and keeps cookies.
type browser struct {
	client *http.Client
	doc    *goquery.Document
	at     *url.URL
}

// newBrowser reaches hosts below localhost on this machine, as browsers do by themselves.
func newBrowser() *browser {
	jar, _ := cookiejar.New(nil) // without options it can't fail
	return &browser{client: &http.Client{Jar: secureLocalhost{jar}, Timeout: 30 * time.Second,
		Transport: &http.Transport{DialContext: dialLoopback, MaxIdleConnsPerHost: 4}}}
}

func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

// secureLocalhost keeps Secure cookies of http://*.localhost, which browsers hold for trustworthy
// and Go's jar doesn't.
type secureLocalhost struct{ *cookiejar.Jar }

func (j secureLocalhost) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.Jar.SetCookies(asHTTPS(u), cookies)
}

func (j secureLocalhost) Cookies(u *url.URL) []*http.Cookie { return j.Jar.Cookies(asHTTPS(u)) }

func asHTTPS(u *url.URL) *url.URL {
	secure := *u
	secure.Scheme = "https"
	return &secure
}

// open follows a link.
func (b *browser) open(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	return b.do(r)
}

func (b *browser) do(r *http.Request) error {
	resp, err := b.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b.at = resp.Request.URL
	if b.doc, err = goquery.NewDocumentFromReader(io.LimitReader(resp.Body, 4<<20)); err != nil {
		return err
	}
	if resp.StatusCode >= 400 {
		return &pageError{fmt.Sprintf("%s %s", r.Method, r.URL), resp.StatusCode, b.fault()}
	}
	return nil
}

// pageError is a page that says what went wrong.
type pageError struct {
	asked  string // method and address
	status int
	fault  string // as the page says it
}

func (e *pageError) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", e.asked, e.status, http.StatusText(e.status), e.fault)
}

// fault is what a page says is wrong.
func (b *browser) fault() string {
	text := b.doc.Find(".fault").First().Text()
	if text == "" {
		title := b.doc.Find("main h1").First()
		text = title.Text() + ": " + title.NextFiltered("p").Text()
	}
	return strings.TrimSpace(text)
}

// submit fills in the form on this page whose action has the given path, and sends it.
func (b *browser) submit(ctx context.Context, path string, fields map[string]string) error {
	form := b.doc.Find("form").FilterFunction(func(_ int, f *goquery.Selection) bool {
		action, err := b.at.Parse(f.AttrOr("action", ""))
		return err == nil && action.Path == path
	}).First()
	if form.Length() == 0 {
		return fmt.Errorf("%s has no form for %s", b.at, path)
	}
	values := url.Values{}
	form.Find("input[name], textarea[name]").Each(func(_ int, in *goquery.Selection) {
		_, checked := in.Attr("checked")
		if t := in.AttrOr("type", ""); (t == "checkbox" || t == "radio") && !checked {
			return
		}
		values.Set(in.AttrOr("name", ""), in.AttrOr("value", ""))
	})
	for name, value := range fields {
		values.Set(name, value)
	}
	action, err := b.at.Parse(form.AttrOr("action", ""))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}
