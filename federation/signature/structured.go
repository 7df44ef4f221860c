package signature

import (
	"fmt"

	"github.com/dunglas/httpsfv"
)

// dictionary reads a structured field (RFC 9651 §3.2). httpsfv v1.1.0 panics on
// display strings (a=%"x"), which a stranger may send: a panic there is a
// malformed field. dadrus/httpsig reads the same fields with the same parser, but
// only after they have passed here.
func dictionary(values []string) (parsed *httpsfv.Dictionary, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			parsed, err = nil, fmt.Errorf("httpsfv: %v", caught)
		}
	}()
	return httpsfv.UnmarshalDictionary(values)
}
