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

// IsJRD says whether a Content-Type may be that of a WebFinger answer (RFC 7033
// §10.2; many servers say plain JSON).
func IsJRD(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == JRDMediaType || media == "application/json")
}
