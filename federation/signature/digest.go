package signature

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/dunglas/httpsfv"
)

// needsDigest: whatever has a body, and whatever may have one. An empty POST is
// signed as empty, or somebody else may fill it.
func needsDigest(method string, body []byte) bool {
	return len(body) > 0 || (method != http.MethodGet && method != http.MethodHead)
}

// contentDigestField is the Content-Digest header of a body (RFC 9530).
func contentDigestField(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// checkDigests compares the body with each digest header that is there, signed or
// not: where two disagree, the code behind us might believe the other one.
func checkDigests(header http.Header, body []byte) error {
	sum := sha256.Sum256(body)
	if values := header.Values("Digest"); len(values) > 0 {
		if err := checkDigest(strings.Join(values, ","), sum[:]); err != nil {
			return err
		}
	}
	if values := header.Values("Content-Digest"); len(values) > 0 {
		return checkContentDigest(values, sum[:])
	}
	return nil
}

// checkDigest reads "SHA-256=…,SHA-512=…". Names are case-insensitive (RFC 3230
// §4.1.1); algorithms beside SHA-256 are allowed and add nothing.
func checkDigest(list string, sum []byte) error {
	found := false
	for _, element := range strings.Split(list, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(element), "=")
		if !ok {
			return refuse(CodeDigest, "digest", "%.80q isn't algorithm=value", element)
		}
		if !strings.EqualFold(name, "SHA-256") {
			continue
		}
		found = true
		if given, err := base64.StdEncoding.DecodeString(value); err != nil || !bytes.Equal(given, sum) {
			return refuse(CodeDigest, "digest", "isn't the SHA-256 of the body")
		}
	}
	if !found {
		return refuse(CodeDigest, "digest", "must name SHA-256")
	}
	return nil
}

// checkContentDigest reads the structured dictionary of RFC 9530, whose names are
// lower case by grammar.
func checkContentDigest(values []string, sum []byte) error {
	digests, err := dictionary(values)
	if err != nil {
		return refuse(CodeDigest, "content-digest", "isn't a dictionary: %v", err)
	}
	member, ok := digests.Get("sha-256")
	if !ok {
		return refuse(CodeDigest, "content-digest", "must name sha-256")
	}
	item, _ := member.(httpsfv.Item)
	given, _ := item.Value.([]byte)
	if !bytes.Equal(given, sum) {
		return refuse(CodeDigest, "content-digest", "isn't the SHA-256 of the body")
	}
	return nil
}
