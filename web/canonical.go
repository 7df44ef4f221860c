package web

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/fedflattr/flattrd/ledger"
)

// trackers are query parameters that say where a reader came from, not what the page is.
var trackers = map[string]bool{"fbclid": true, "gclid": true, "dclid": true, "msclkid": true, "mc_cid": true,
	"mc_eid": true, "igshid": true, "yclid": true, "_ga": true, "ref_src": true}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// canonicalURL is the one form of a page's address (protocol §3): http or https, scheme and host in
// lower case, no fragment, no default port, no user, no tracking parameter. Only the query that
// held one is written anew; all else stays as it was typed. FieldError "url": required, form.
func canonicalURL(typed string) (string, error) {
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return "", &ledger.FieldError{Field: "url", Rule: "required"}
	}
	u, err := url.Parse(typed)
	if err != nil || !utf8.ValidString(typed) || u.Opaque != "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return "", &ledger.FieldError{Field: "url", Rule: "form"}
	}
	host, err := idna.Lookup.ToASCII(u.Hostname())
	if err != nil || host == "" {
		return "", &ledger.FieldError{Field: "url", Rule: "form"}
	}
	port := u.Port()
	u.Host = strings.ToLower(host)
	if port != "" && port != defaultPorts[u.Scheme] {
		u.Host += ":" + port
	}
	u.Fragment, u.RawFragment = "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	u.RawQuery = withoutTrackers(u.RawQuery)
	u.ForceQuery = false
	return u.String(), nil
}

func withoutTrackers(query string) string {
	var kept []string
	for _, pair := range strings.Split(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if pair != "" && !trackers[name] && !strings.HasPrefix(name, "utm_") {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
