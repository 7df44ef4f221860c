package federation

import (
	"bytes"
	"context"
	"mime"
	"net/url"
	"slices"
	"strings"

	"github.com/PuerkitoBio/goquery"

	"github.com/fedflattr/flattrd/federation/guard"
	"github.com/fedflattr/flattrd/federation/vocab"
)

// webPage is what a page on the web says of itself (protocol §5.1).
type webPage struct {
	URL       string // canonical
	Title     string
	Creator   string   // a handle, name@host in lower case; may be ""
	Payment   []string // whom it names to be paid: addresses of buttons or profiles
	Alternate string   // the same as a document, on the same host; may be ""
	canonical string   // what it calls itself, if that is another address on its host
}

const (
	maxPayment   = 8 // of a page's links are looked at
	maxPageTitle = 200
)

// readPage fetches a page. One that calls itself by another address on its host is fetched there, since what it links to
// counts for no address but its own: many people's pages may share a host.
func (s *Server) readPage(ctx context.Context, address string) (webPage, error) {
	p, err := s.readPageOnce(ctx, address)
	if err == nil && p.canonical != "" {
		return s.readPageOnce(ctx, p.canonical)
	}
	return p, err
}

func (s *Server) readPageOnce(ctx context.Context, address string) (webPage, error) {
	at, err := s.web.CanonicalPage(address)
	if err != nil {
		return webPage{}, &guard.Error{Code: guard.CodeBlocked, URL: address, Err: err}
	}
	body, err := s.client.Get(ctx, at, "text/html, application/xhtml+xml", isHTML)
	if err != nil {
		return webPage{}, err
	}
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(body))
	if err != nil {
		return webPage{}, &guard.Error{Code: guard.CodeDocument, URL: at, Err: err}
	}
	return s.parsePage(at, doc)
}

func isHTML(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "text/html" || kind == "application/xhtml+xml")
}

// trusted are the links that a page makes about itself; those that its visitors wrote are marked otherwise.
const trusted = `link[rel~="payment"][href], link[rel~="me"][href], a[rel~="payment"][href], a[rel~="me"][href]`

func (s *Server) parsePage(at string, doc *goquery.Document) (webPage, error) {
	base, err := url.Parse(at)
	if err != nil {
		return webPage{}, err
	}
	p := webPage{URL: at, Title: shorten(strings.Join(strings.Fields(doc.Find("title").First().Text()), " "), maxPageTitle)}
	if creator, ok := doc.Find(`meta[name="fediverse:creator"]`).First().Attr("content"); ok {
		p.Creator = s.handleOf(creator)
	}
	for _, link := range doc.Find(trusted).EachIter() {
		rel := strings.Fields(strings.ToLower(link.AttrOr("rel", "")))
		if !slices.ContainsFunc(rel, func(r string) bool { return r == "nofollow" || r == "ugc" || r == "sponsored" }) {
			p.Payment = append(p.Payment, absolute(base, link.AttrOr("href", "")))
		}
	}
	slices.Sort(p.Payment)
	p.Payment = slices.DeleteFunc(slices.Compact(p.Payment), func(to string) bool { return to == "" })
	p.Payment = p.Payment[:min(len(p.Payment), maxPayment)]
	if own := s.onHost(base, doc, `link[rel~="canonical"][href]`); own != at {
		p.canonical = own
	}
	p.Alternate = s.onHost(base, doc, `link[rel~="alternate"][type="`+vocab.AS2MediaType+`"][href]`)
	return p, nil
}

// onHost is where the first such link leads, if it is on the page's own host and no less safe; "" if it isn't.
func (s *Server) onHost(base *url.URL, doc *goquery.Document, selector string) string {
	to := absolute(base, doc.Find(selector).First().AttrOr("href", ""))
	if to, err := s.web.CanonicalPage(to); err == nil && s.web.SameHost(to, base.String()) && strings.HasPrefix(to, base.Scheme+"://") {
		return to
	}
	return ""
}

func absolute(base *url.URL, href string) string {
	to, err := base.Parse(strings.TrimSpace(href))
	if err != nil || href == "" || to.Host == "" {
		return ""
	}
	return to.String()
}

// handleOf reads @name@host; "" if it is none.
func (s *Server) handleOf(text string) string {
	name, at, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(text), "@"), "@")
	host, err := s.web.Host(s.scheme() + "://" + at + "/")
	if !ok || err != nil || name == "" || len(name) > 64 || strings.ContainsAny(name, "/?#@: ") || !isHostOnly(at) {
		return ""
	}
	return lower(name + "@" + host)
}

// shorten cuts a text to so many characters.
func shorten(text string, most int) string {
	if all := []rune(strings.ToValidUTF8(text, "")); len(all) > most {
		return string(all[:most-1]) + "…"
	}
	return strings.ToValidUTF8(text, "")
}
