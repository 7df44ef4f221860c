package vocab

import (
	"strings"
	"testing"
)

func TestHostHasOneForm(t *testing.T) {
	t.Parallel()
	for iri, want := range map[string]string{
		"https://b.example/users/bob":     "b.example",
		"HTTPS://B.Example":               "b.example",
		"https://b.example:443/x":         "b.example",
		"https://b.example:0443/x":        "b.example",
		"https://b.example:/x":            "b.example",
		"https://b.example:8443/x":        "b.example:8443",
		"https://b.example?x":             "b.example",
		"https://b.example#x":             "b.example",
		"https://bücher.example/":         "xn--bcher-kva.example",
		"https://BÜCHER.example/":         "xn--bcher-kva.example",
		"https://XN--BCHER-KVA.example/":  "xn--bcher-kva.example",
		"https://straße.example/":         "xn--strae-oqa.example",
		"https://b。example/":              "b.example",
		"https://ｂ.example/":              "b.example",
		"https://r3---sn-a.example/":      "r3---sn-a.example",
		"https://1.2.3.4.example/":        "1.2.3.4.example",
		"https://b.localhost/":            "b.localhost",
		"https://mastodon.social/@cial":   "mastodon.social",
		"https://b.example/@x?y=http://c": "b.example",
	} {
		if got, err := (Web{}).Host(iri); err != nil || got != want {
			t.Errorf("%s: got %q, %v", iri, got, err)
		}
	}
}

func TestHostRefusesWhatIsNoHost(t *testing.T) {
	t.Parallel()
	for iri, code := range map[string]string{
		"":                                                 CodeIRI,
		"b.example/users/bob":                              CodeIRI,
		"//b.example/":                                     CodeIRI,
		"acct:bob@b.example":                               CodeIRI,
		"mailto:bob@b.example":                             CodeIRI,
		"javascript:alert(1)":                              CodeIRI,
		"ftp://b.example/":                                 CodeIRI,
		"http://b.example/":                                CodeIRI,
		"http://b.localhost/":                              CodeIRI,
		"https:b.example":                                  CodeIRI,
		"https:/b.example":                                 CodeIRI,
		"https:///b.example":                               CodeIRI,
		"https://":                                         CodeIRI,
		"https://bob@b.example/":                           CodeIRI,
		"https://bob:secret@b.example/":                    CodeIRI,
		"https://@b.example/":                              CodeIRI,
		"https://a.example@b.example/":                     CodeIRI,
		"https://b.example\\@c.example/":                   CodeIRI,
		"https://b.example/a b":                            CodeIRI,
		"https://b.example/\t":                             CodeIRI,
		"https://b.example/\u00a0":                         CodeIRI,
		"https://b.example/\x7f":                           CodeIRI,
		"https://b.example/\xff":                           CodeIRI,
		"https://b example/":                               CodeIRI,
		"https://b.exp%fe/":                                CodeIRI,
		"https://b.exp%C3%A4mple/":                         CodeIRI,
		"https://b.exp\ufffd/":                             CodeIRI,
		"https://b%2eexample/":                             CodeIRI,
		"https://b.example:0/":                             CodeIRI,
		"https://b.example:65536/":                         CodeIRI,
		"https://b.example:x/":                             CodeIRI,
		"https://b.example./":                              CodeIRI,
		"https://b..example/":                              CodeIRI,
		"https://.example/":                                CodeIRI,
		"https://b_c.example/":                             CodeIRI,
		"https://intranet/":                                CodeIRI,
		"https://xn--a.example/":                           CodeIRI,
		"https://mastodon.so/cial@x y":                     CodeIRI,
		"https://" + strings.Repeat("a", 64) + ".example/": CodeIRI,
		"https://127.0.0.1/":                               CodeAddress,
		"https://127.1/":                                   CodeAddress,
		"https://2130706433/":                              CodeAddress,
		"https://0x7f.1/":                                  CodeAddress,
		"https://0x7f000001/":                              CodeAddress,
		"https://0X7F.0.0.0x1/":                            CodeAddress,
		"https://0177.0.0.1/":                              CodeAddress,
		"https://b.example.0x/":                            CodeAddress,
		"https://１２７.0.0.1/":                               CodeAddress,
		"https://127。0。0。1/":                               CodeAddress,
		"https://[::1]/":                                   CodeAddress,
		"https://[::ffff:127.0.0.1]:443/":                  CodeAddress,
		"https://[fe80::1%25eth0]/":                        CodeAddress,
	} {
		if got, err := (Web{}).Host(iri); FaultCode(err) != code {
			t.Errorf("%q: got %q, %v, want %s", iri, got, err, code)
		}
	}
}

func TestHTTPIsForLocalhostOnly(t *testing.T) {
	t.Parallel()
	local := Web{AllowHTTP: true}
	for iri, want := range map[string]string{
		"http://a.localhost:8480/actor": "a.localhost:8480",
		"http://A.Localhost:80/":        "a.localhost",
		"http://localhost:8480":         "localhost:8480",
		"https://b.example/":            "b.example",
	} {
		if got, err := local.Host(iri); err != nil || got != want {
			t.Errorf("%s: got %q, %v", iri, got, err)
		}
	}
	for _, iri := range []string{"http://b.example/", "http://localhost.example/", "http://xlocalhost/", "http://127.0.0.1/", "http://[::1]/"} {
		if got, err := local.Host(iri); err == nil {
			t.Errorf("%s: got %q", iri, got)
		}
	}
}

func TestSameHostComparesCanonicalForms(t *testing.T) {
	t.Parallel()
	same := [][2]string{
		{"https://b.example/a", "https://B.EXAMPLE:443/b"},
		{"https://bücher.example/", "https://xn--bcher-kva.example/x"},
	}
	other := [][2]string{
		{"https://b.example/", "https://b.example:8443/"},
		{"https://b.example/", "https://b.example.evil.example/"},
		{"https://mastodon.social/", "https://mastodon.so/cial"},
		{"https://b.example/", "http://b.example/"},
		{"", ""},
		{"nonsense", "nonsense"},
	}
	for _, pair := range same {
		if !(Web{}).SameHost(pair[0], pair[1]) {
			t.Errorf("%v should be one host", pair)
		}
	}
	for _, pair := range other {
		if (Web{}).SameHost(pair[0], pair[1]) {
			t.Errorf("%v should be two hosts", pair)
		}
	}
}

func TestCanonicalIRILeavesThePathAlone(t *testing.T) {
	t.Parallel()
	for iri, want := range map[string]string{
		"https://b.example":                               "https://b.example/",
		"HTTPS://B.EXAMPLE:443":                           "https://b.example/",
		"https://b.example?q":                             "https://b.example/?q",
		"https://b.example#main-key":                      "https://b.example/#main-key",
		"https://wp.example/?p=1#activity#activity":       "https://wp.example/?p=1#activity#activity",
		"https://b.example/Users/Bób/%7e/../x?A=%2f&a#Ü!": "https://b.example/Users/Bób/%7e/../x?A=%2f&a#Ü!",
	} {
		if got, err := (Web{}).CanonicalIRI(iri); err != nil || got != want {
			t.Errorf("%s: got %q, %v", iri, got, err)
		}
	}
	if !(Web{}).SameIRI("https://b.example", "https://B.example:443/") || (Web{}).SameIRI("https://b.example/a", "https://b.example/A") {
		t.Error("SameIRI must compare canonical forms")
	}
}

func TestIRIsHaveALimit(t *testing.T) {
	t.Parallel()
	longest := "https://b.example/" + strings.Repeat("x", MaxIRI-len("https://b.example/"))
	if _, err := (Web{}).Host(longest); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := (Web{}).Host(longest + "x"); FaultCode(err) != CodeIRI {
		t.Errorf("beyond the limit: %v", err)
	}
}

func TestCanonicalPageIsOneThing(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]string{
		"https://blog.example":                                        "https://blog.example/",
		"HTTPS://Blog.Example:443/Post":                               "https://blog.example/Post",
		"https://blog.example/post#comments":                          "https://blog.example/post",
		"https://blog.example/post?":                                  "https://blog.example/post",
		"https://blog.example/post?utm_source=x&utm_medium=y":         "https://blog.example/post",
		"https://blog.example/post?id=7&utm_source=x&page=2&fbclid=z": "https://blog.example/post?id=7&page=2",
		"https://blog.example/post?UTM_Source=x&GCLID=1&gclid":        "https://blog.example/post",
		"https://blog.example/post?utm%5Fsource=x":                    "https://blog.example/post",
		"https://blog.example/post?mtm_campaign=a&pk_kwd=b&mc_eid=c":  "https://blog.example/post",
		"https://blog.example/post?b=2&a=1":                           "https://blog.example/post?b=2&a=1",
		"https://blog.example/post?a=1&&a=1&":                         "https://blog.example/post?a=1&a=1",
		"https://blog.example/post?reutm_=1&utm=2":                    "https://blog.example/post?reutm_=1&utm=2",
		"https://blog.example/post/":                                  "https://blog.example/post/",
		"https://blog.example/a/./b/../c/..":                          "https://blog.example/a/",
		"https://blog.example/../../x":                                "https://blog.example/x",
		"https://blog.example/%2e%2E/x":                               "https://blog.example/x",
		"https://blog.example/a//b":                                   "https://blog.example/a//b",
		"https://blog.example/größe":                                  "https://blog.example/gr%C3%B6%C3%9Fe",
		"https://blog.example/gr%c3%b6%c3%9fe":                        "https://blog.example/gr%C3%B6%C3%9Fe",
		"https://blog.example/%7Ealice/%41":                           "https://blog.example/~alice/A",
		"https://blog.example/a%2Fb":                                  "https://blog.example/a%2Fb",
		"https://blog.example/a%2fb?q=%2B+%26&r=50%":                  "https://blog.example/a%2Fb?q=%2B+%26&r=50%25",
		"https://blog.example/x?u=https://c.example/y?z":              "https://blog.example/x?u=https://c.example/y?z",
		"https://bücher.example/ü?ü=ü":                                "https://xn--bcher-kva.example/%C3%BC?%C3%BC=%C3%BC",
	} {
		got, err := (Web{}).CanonicalPage(page)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v", page, got, err)
		}
		if again, err := (Web{}).CanonicalPage(got); err != nil || again != got {
			t.Errorf("%s: not stable: %q, %v", page, again, err)
		}
	}
	for _, page := range []string{"http://blog.example/", "https://127.1/", "https://a@blog.example/", "https://blog.example/" + strings.Repeat("ü", 1000)} {
		if got, err := (Web{}).CanonicalPage(page); err == nil {
			t.Errorf("%.60s: got %.60q", page, got)
		}
	}
}
