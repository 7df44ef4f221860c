package vocab

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxIRI is the longest address we take, in bytes.
const MaxIRI = 2048

// Web says which addresses exist for this instance and what their one canonical
// form is. Every comparison of hosts and every outgoing request goes through it:
// Mastodon's CVE-2023-42451 was two parsers that disagreed on one host name.
//
// The zero Web is production: https only.
type Web struct {
	// AllowHTTP also lets http addresses of localhost and *.localhost in
	// (RFC 6761 §6.3), for instances on one machine. Other hosts stay https.
	AllowHTTP bool
}

// hosts maps a name as people write it to the one the DNS knows (UTS 46,
// non-transitional: ß stays apart from ss).
var hosts = idna.New(
	idna.MapForLookup(),
	idna.BidiRule(),
	idna.StrictDomainName(true),
	idna.CheckHyphens(false), // r3---sn.example.com is a real kind of name
	idna.VerifyDNSLength(true),
)

// Host is the canonical host of an address: lower case, IDNA in ASCII, with a
// port only if it isn't the scheme's own. Addresses with user info, with a host
// that is an IP address in any notation, or with a scheme that isn't taken are a
// *Fault with CodeIRI or CodeAddress.
func (w Web) Host(iri string) (string, error) {
	parts, err := w.split(iri)
	return parts.host, err
}

// SameHost says whether both addresses are valid and name one canonical host.
func (w Web) SameHost(a, b string) bool {
	hostA, errA := w.Host(a)
	hostB, errB := w.Host(b)
	return errA == nil && errB == nil && hostA == hostB
}

// CanonicalIRI is the form in which ids and addresses are compared: scheme and
// host canonical, an empty path written as "/", everything after the host byte for
// byte as it was (a path is its server's business).
func (w Web) CanonicalIRI(iri string) (string, error) {
	parts, err := w.split(iri)
	if err != nil {
		return "", err
	}
	return parts.scheme + "://" + parts.host + parts.rest, nil
}

// SameIRI says whether both are valid and canonically the same address.
func (w Web) SameIRI(a, b string) bool {
	canonicalA, errA := w.CanonicalIRI(a)
	canonicalB, errB := w.CanonicalIRI(b)
	return errA == nil && errB == nil && canonicalA == canonicalB
}

type address struct {
	scheme, host string
	rest         string // path, query and fragment as written; begins with "/"
}

func (w Web) split(iri string) (address, error) {
	if err := checkIRI(iri); err != nil {
		return address{}, err
	}
	u, _ := url.Parse(iri)
	// The authority of a checked IRI ends at the first of these (RFC 3986 §3.2).
	authority, rest := iri[len(u.Scheme)+len("://"):], ""
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority, rest = authority[:end], authority[end:]
	}
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	host, err := canonicalName(authority, u)
	if err != nil {
		return address{}, err
	}
	if u.Scheme != "https" && !(w.AllowHTTP && isLocalhost(host)) {
		return address{}, &Fault{Code: CodeIRI, Rule: "an https address"}
	}
	port, err := canonicalPort(u)
	if err != nil {
		return address{}, err
	}
	return address{scheme: u.Scheme, host: host + port, rest: rest}, nil
}

// checkIRI takes absolute http and https addresses without user info, spaces,
// control characters and backslashes, which browsers and servers read apart.
// It is a check of form for ids in documents; whom we talk to is Web's to say.
func checkIRI(iri string) error {
	if iri == "" || len(iri) > MaxIRI || !utf8.ValidString(iri) {
		return &Fault{Code: CodeIRI, Rule: "an address of 1 to 2048 bytes"}
	}
	for _, r := range iri {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '\\' {
			return &Fault{Code: CodeIRI, Rule: "an address without spaces and control characters"}
		}
	}
	u, err := url.Parse(iri)
	if err != nil || u.Opaque != "" || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return &Fault{Code: CodeIRI, Rule: "an absolute web address"}
	}
	if u.User != nil {
		return &Fault{Code: CodeIRI, Rule: "an address without user info"}
	}
	return nil
}

func canonicalName(authority string, u *url.URL) (string, error) {
	if strings.ContainsAny(authority, "[]") {
		return "", &Fault{Code: CodeAddress, Rule: "a host name, not an IP address"}
	}
	name, err := hosts.ToASCII(u.Hostname())
	if err != nil || strings.Contains(authority, "%") { // escapes could hide bytes that are no text
		return "", &Fault{Code: CodeIRI, Rule: "a host name of the DNS"}
	}
	if again, err := hosts.ToASCII(name); err != nil || again != name {
		return "", &Fault{Code: CodeIRI, Rule: "a host name of the DNS"}
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" || (last == name && name != "localhost" && !isNumber(name)) {
		return "", &Fault{Code: CodeIRI, Rule: "a host name with a domain"}
	}
	if isNumber(last) {
		return "", &Fault{Code: CodeAddress, Rule: "a host name, not an IP address"}
	}
	return name, nil
}

// isNumber is the WHATWG URL Standard's "ends in a number": 127.1, 2130706433 and
// 0x7f.1 all reach 127.0.0.1 through some resolver, so none of them is a name.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func isLocalhost(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

func canonicalPort(u *url.URL) (string, error) {
	if u.Port() == "" {
		return "", nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return "", &Fault{Code: CodeIRI, Rule: "a port from 1 to 65535"}
	}
	if (u.Scheme == "https" && port == 443) || (u.Scheme == "http" && port == 80) {
		return "", nil
	}
	return ":" + strconv.FormatUint(port, 10), nil
}
