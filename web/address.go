package web

import (
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/fedflattr/flattrd/ledger"
)

var handleName = regexp.MustCompile(`^[A-Za-z0-9_.~-]{1,64}$`)

// parseHome reads what a visitor typed as their home: "@me@a.example", "me@a.example", "a.example",
// or a link to either. address is what a Resolver is asked: a handle without the leading @, or a
// host. FieldError "flattr-address": required, form.
func (s *Site) parseHome(typed string) (address, host string, err error) {
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return "", "", &ledger.FieldError{Field: homeField, Rule: "required"}
	}
	name, host, ok := splitHome(typed)
	if ok {
		host, ok = s.cleanHost(host)
	}
	switch {
	case !ok || name != "" && !handleName.MatchString(name):
		return "", "", &ledger.FieldError{Field: homeField, Rule: "form"}
	case name == "":
		return host, host, nil
	}
	return name + "@" + host, host, nil
}

// splitHome takes a handle, a host or a link apart.
func splitHome(typed string) (name, host string, ok bool) {
	if strings.Contains(typed, "://") {
		u, err := url.Parse(typed)
		if err != nil || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
			return "", "", false
		}
		name, isProfile := strings.CutPrefix(strings.TrimSuffix(u.Path, "/"), "/@")
		return name, u.Host, u.RawQuery == "" && u.Fragment == "" && (isProfile || name == "")
	}
	typed = strings.TrimPrefix(typed, "@")
	if name, host, ok := strings.Cut(typed, "@"); ok {
		return name, host, name != ""
	}
	return "", typed, true
}

// cleanHost is a host in lower case and ASCII. A port is for test instances.
func (s *Site) cleanHost(host string) (string, bool) {
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort && (s.test == nil || !localhost(name)) {
		return "", false
	}
	name, err := idna.Lookup.ToASCII(name)
	if err != nil || name == "" || !strings.Contains(name, ".") {
		return "", false
	}
	if hasPort {
		name += ":" + port
	}
	return strings.ToLower(name), true
}

// fillIntent puts the three addresses into a home's template (FEP-3b86 §5); variables that we don't
// know become empty.
func fillIntent(template, object, success, cancel string) string {
	known := map[string]string{"{object}": object, "{on-success}": success, "{on-cancel}": cancel}
	return templateVariable.ReplaceAllStringFunc(template, func(v string) string {
		return url.QueryEscape(known[v])
	})
}

var templateVariable = regexp.MustCompile(`\{[^{}]*\}`)

// sameSite tells whether a URL belongs to the same registrable domain as a host: a handle's domain
// may delegate to a host below it, but not to anyone else's.
func sameSite(raw, host string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil {
		return false
	}
	a, err := registrable(u.Hostname())
	b, err2 := registrable(hostname(host))
	return err == nil && err2 == nil && a == b
}

func registrable(host string) (string, error) {
	return publicsuffix.EffectiveTLDPlusOne(strings.ToLower(host))
}
