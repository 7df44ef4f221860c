package signature

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxCovered is how many components a signature may cover; servers use four to
// eight.
const maxCovered = 32

func (want Expect) scheme() string {
	if want.Scheme == "" {
		return "https"
	}
	return want.Scheme
}

// checkHost refuses a request for another host: a signature made for a.example
// must not count at b.example, even where the name leads to the same machine.
func (want Expect) checkHost(host string) error {
	ours := publicHost(want.scheme(), want.Host)
	if ours == "" || publicHost(want.scheme(), host) != ours {
		return refuse(CodeTarget, "host", "%.80q isn't served here", host)
	}
	return nil
}

// targetURL is the absolute URL the sender asked for, in its own spelling:
// a proxy hides the scheme, and net/url hides the spelling of the path.
func (want Expect) targetURL(target string) (*url.URL, error) {
	raw := want.scheme() + "://" + publicHost(want.scheme(), want.Host) + target
	parsed, err := url.Parse(raw)
	if err != nil || parsed.String() != raw {
		return nil, refuse(CodeBad, "@target-uri", "%.80q isn't in normal form", target)
	}
	return parsed, nil
}

// publicHost is a host as it is compared: lower case, without the port that the
// scheme implies (RFC 9421 §2.2.3).
func publicHost(scheme, host string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// wireTarget is the path and query as they were sent. URL.Path is decoded, and
// routers rewrite it; what was signed is the spelling on the wire.
func wireTarget(r *http.Request) (string, error) {
	target := r.RequestURI
	if target == "" { // not from a server: a request that is about to be sent
		target = r.URL.RequestURI()
	}
	if r.URL.IsAbs() { // absolute-form, RFC 9112 §3.2.2: net/http took Host from it
		_, rest, _ := strings.Cut(target, "://")
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			target = rest[slash:]
		}
	}
	if !strings.HasPrefix(target, "/") {
		return "", refuse(CodeBad, "target", "%.80q isn't a path", target)
	}
	return target, nil
}

// coveredFields copies the signed header fields, so that the libraries see these
// and nothing else, and can't change the request. Names in parentheses or with @
// are no fields. Go keeps Host apart from the other headers.
func coveredFields(r *http.Request, covered []string) (http.Header, error) {
	if len(covered) > maxCovered {
		return nil, refuse(CodeBad, "signature", "covers %d components, may cover %d", len(covered), maxCovered)
	}
	fields := http.Header{}
	for i, name := range covered {
		if slices.Contains(covered[:i], name) {
			return nil, refuse(CodeBad, "signature", "covers %.80q twice", name)
		}
		if strings.HasPrefix(name, "(") || strings.HasPrefix(name, "@") {
			continue
		}
		values := slices.Clone(r.Header.Values(name))
		if name == "host" {
			values = []string{r.Host}
		}
		if len(values) == 0 {
			return nil, refuse(CodeCoverage, name, "is signed but not in the request (%.80q)", name)
		}
		fields[http.CanonicalHeaderKey(name)] = values
	}
	return fields, nil
}
