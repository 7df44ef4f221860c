// Package guard is every outbound connection of an instance: where we may connect to, for how long,
// and how much we read.
//
// Addresses that come from outside (an actor's id, a key's, a handle's host) must not lead our own
// network's servers to be asked. So the address is checked when the connection is made, after names
// were resolved (code.dny.dev/ssrf in the dialer's Control): a name that answers differently the
// second time gains nothing. Proxies of the environment are ignored, since they would resolve for us.
//
// Redirects are followed for reading only, at most three, each checked and signed anew, never from
// https to http and, for documents that say who somebody is, never to another host.
package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"

	"code.dny.dev/ssrf"
)

// Limits of one request. The times are totals, not per read: Mastodon's CVE-2023-36461 was an answer
// that came one byte at a time.
const (
	MaxBody        = 1 << 20          // bytes read, after decompression
	MaxRedirects   = 3                // followed
	ConnectTimeout = 5 * time.Second  // name and connection
	FetchTimeout   = 10 * time.Second // a whole document, redirects and all
	PostTimeout    = 30 * time.Second // a delivery: GoToSocial fetches our key while we wait

	maxHeader    = 64 << 10    // bytes of an answer's headers
	maxAddresses = 8           // of one name that are tried
	maxPerHost   = 8           // connections to one host at a time; what is more waits its turn
	dropGrace    = time.Second // for the rest of an answer that nobody reads
)

// Config says what a Client may reach. The zero Config is production: public addresses, https only.
type Config struct {
	UserAgent string
	Sign      func(*http.Request) error // signs every GET, each hop anew; nil: unsigned

	// For tests: addresses that are reached although they aren't public, http, names, roots.
	Allow     []netip.Prefix
	AllowHTTP bool
	Resolve   func(ctx context.Context, host string) ([]netip.Addr, error)
	RootCAs   *x509.CertPool
}

// Client makes requests to other servers.
type Client struct {
	http  *http.Transport // not an http.Client, which has a mind of its own about redirects
	c     Config
	large chan struct{} // a place for each large body that is being read
}

// New makes a Client.
func New(c Config) *Client {
	d := &dialer{resolve: c.Resolve, net: net.Dialer{Control: guardian(c).Safe}}
	// HTTP/1.1: one connection is one exchange. A multiplexed one that died unnoticed would take
	// every delivery to its host with it.
	return &Client{c: c, large: make(chan struct{}, largeBodies), http: &http.Transport{
		Proxy:                  nil, // it would resolve and dial for us, unchecked
		DialContext:            d.dial,
		TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    ConnectTimeout,
		ResponseHeaderTimeout:  PostTimeout,
		MaxResponseHeaderBytes: maxHeader,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    2,
		MaxConnsPerHost:        maxPerHost,
	}}
}

// Close drops the connections that are kept for the next request.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// SignWith sets who signs the GETs; before any request is made.
func (c *Client) SignWith(sign func(*http.Request) error) { c.c.Sign = sign }

// guardian lets public addresses through, on any port, and the allow-list of tests. It goes by
// IANA's registries: Go's IsPrivate and IsGlobalUnicast let 100.64.0.1, 64:ff9b::7f00:1 and
// ::127.0.0.1 pass.
func guardian(c Config) *ssrf.Guardian {
	var four, six []netip.Prefix
	for _, p := range c.Allow {
		if p.Addr().Is4() {
			four = append(four, p)
		} else {
			six = append(six, p)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(four...), ssrf.WithAllowedV6Prefixes(six...))
}

// dialer resolves by the hook, where there is one; the check of the address stays the same.
type dialer struct {
	resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	net     net.Dialer
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, ConnectTimeout)
	defer cancel()
	if d.resolve == nil {
		return d.net.DialContext(ctx, network, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	for _, a := range addrs[:min(len(addrs), maxAddresses)] {
		conn, dialErr := d.net.DialContext(ctx, network, net.JoinHostPort(a.String(), port))
		if dialErr == nil {
			return conn, nil
		}
		err = dialErr
	}
	return nil, err
}

// blocked tells whether the dialer refused an address.
func blocked(err error) bool {
	for _, e := range []error{ssrf.ErrProhibitedIP, ssrf.ErrProhibitedNetwork, ssrf.ErrProhibitedPort, ssrf.ErrInvalidHostPort} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
