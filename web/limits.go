package web

import (
	"net"
	"net/http"
	"time"

	"github.com/go-chi/httprate"
)

// limits keep guessing and foreign network calls slow for each address; in memory, because a
// restart that forgets them costs nothing.
type limits struct {
	login *httprate.RateLimiter // by address and name
	try   *httprate.RateLimiter // passwords and invitations, by address
	find  *httprate.RateLimiter // calls to other instances, by address
}

func newLimits() limits {
	return limits{
		login: httprate.NewRateLimiter(10, time.Minute),
		try:   httprate.NewRateLimiter(60, time.Minute),
		find:  httprate.NewRateLimiter(60, time.Minute),
	}
}

// connectionIP is the address at the other end of the connection, IPv6 by its /64.
func connectionIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return httprate.CanonicalizeIP(host)
}
