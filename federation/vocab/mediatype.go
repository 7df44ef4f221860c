package vocab

import (
	"mime"
	"slices"
	"strings"
)

// AcceptAS2 asks for ActivityStreams documents (ActivityPub §3.2).
const AcceptAS2 = AS2MediaType + ", " + LDMediaType

// IsAS2 says whether a Content-Type is that of ActivityStreams documents (ActivityPub
// §3.2, FEP-fe34): JSON of any other kind may have been uploaded by anybody.
func IsAS2(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch media {
	case AS2MediaType:
		return true
	case "application/ld+json": // a list of profiles, RFC 6906 §3.1
		return slices.Contains(strings.Fields(params["profile"]), AS2)
	}
	return false
}
