package vocab

import (
	"net/url"
	"strings"
)

// CanonicalPage is the form under which a page on the web is one thing, whoever
// links to it (protocol §3): scheme and host canonical, no fragment, no tracking
// parameters, percent-encoding and dot segments normalised (RFC 3986 §6.2.2).
// The order of the other parameters and a trailing slash mean something to some
// servers and stay.
func (w Web) CanonicalPage(page string) (string, error) {
	parts, err := w.split(page)
	if err != nil {
		return "", err
	}
	rest, _, _ := strings.Cut(parts.rest, "#")
	path, query, _ := strings.Cut(rest, "?")
	canonical := parts.scheme + "://" + parts.host + withoutDots(normalise(path))
	if query = withoutTracking(query); query != "" {
		canonical += "?" + query
	}
	if len(canonical) > MaxIRI { // percent-encoding may have made it longer
		return "", &Fault{Code: CodeIRI, Rule: "an address of 1 to 2048 bytes"}
	}
	return canonical, nil
}

// withoutDots resolves "." and ".." (RFC 3986 §5.2.4) in a path that begins with "/".
func withoutDots(path string) string {
	segments := strings.Split(path, "/")[1:]
	kept := make([]string, 0, len(segments))
	for i, segment := range segments {
		last := i == len(segments)-1
		switch {
		case segment == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
		case segment != "." && segment != "..":
			kept = append(kept, segment)
			continue
		}
		if last {
			kept = append(kept, "") // "/a/." is the directory "/a/"
		}
	}
	return "/" + strings.Join(kept, "/")
}

// normalise writes every byte in its one form (RFC 3986 §6.2.2.1–2): unreserved
// characters plain, all else that is escaped with upper-case digits, and what a
// URL can't hold (letters beyond ASCII, quotes, braces) escaped.
func normalise(part string) string {
	var out strings.Builder
	for i := 0; i < len(part); i++ {
		c := part[i]
		escaped := c == '%' && i+2 < len(part) && isHex(part[i+1]) && isHex(part[i+2])
		if escaped {
			c = unhex(part[i+1])<<4 | unhex(part[i+2])
			i += 2
		}
		if unreserved(c) || (!escaped && strings.IndexByte("/:@!$&'()*+,;=?", c) >= 0) {
			out.WriteByte(c)
			continue
		}
		const digits = "0123456789ABCDEF"
		out.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return out.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("-._~", c) >= 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

func withoutTracking(query string) string {
	var kept []string
	for _, pair := range strings.Split(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if pair != "" && !isTracking(name) {
			kept = append(kept, normalise(pair))
		}
	}
	return strings.Join(kept, "&")
}

// trackers are parameters that say where a reader came from, never what page it is.
var trackers = map[string]bool{
	"fbclid": true, "gclid": true, "gclsrc": true, "dclid": true, "gbraid": true, "wbraid": true,
	"msclkid": true, "yclid": true, "twclid": true, "ttclid": true, "li_fat_id": true,
	"mc_cid": true, "mc_eid": true, "igsh": true, "igshid": true, "mkt_tok": true,
	"_hsenc": true, "_hsmi": true, "vero_id": true, "oly_anon_id": true, "oly_enc_id": true,
}

// trackerFamilies are the prefixes of Urchin/Google and of Matomo and Piwik.
var trackerFamilies = []string{"utm_", "mtm_", "pk_", "piwik_", "matomo_"}

func isTracking(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	name = strings.ToLower(name)
	for _, family := range trackerFamilies {
		if strings.HasPrefix(name, family) {
			return true
		}
	}
	return trackers[name]
}
