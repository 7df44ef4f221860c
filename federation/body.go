package federation

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// Nearly all messages are far below smallBody; ours always are (protocol §11). One beyond it needs one
// of a few places until it is dealt with, so that fifty large ones at a time don't cost fifty times
// their size. Who sends large ones slowly makes only large ones wait.
const (
	smallBody   = 64 << 10 // bytes
	largeBodies = 8
	placeWait   = 10 * time.Second
)

// readBody reads a message of one of the two media types and at most vocab.MaxBytes. done is called when it is dealt with.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	done = func() {}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil ||
		kind != vocab.AS2MediaType && kind != "application/ld+json" {
		return nil, done, refuse(http.StatusUnsupportedMediaType, "inbox.media-type", vocab.UnsupportedType,
			"Content-Type must be %s", vocab.AS2MediaType)
	}
	if r.ContentLength > vocab.MaxBytes {
		return nil, done, tooLarge(&http.MaxBytesError{Limit: vocab.MaxBytes})
	}
	limited := http.MaxBytesReader(w, r.Body, vocab.MaxBytes)
	body, err = io.ReadAll(io.LimitReader(limited, smallBody))
	if err != nil {
		return nil, done, tooLarge(err)
	}
	if len(body) < smallBody {
		return body, done, nil
	}
	select {
	case s.large <- struct{}{}:
		done = func() { <-s.large }
	case <-time.After(placeWait):
		return nil, done, refuse(http.StatusServiceUnavailable, "inbox.busy", "", "too many large messages at a time")
	}
	all := bytes.NewBuffer(body)
	if _, err := all.ReadFrom(limited); err != nil {
		return nil, done, tooLarge(err)
	}
	return all.Bytes(), done, nil
}

func tooLarge(err error) error {
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return refuse(http.StatusRequestEntityTooLarge, "inbox.size", vocab.MalformedDocument,
			"at most %d bytes", limit.Limit)
	}
	return refuse(http.StatusBadRequest, "inbox.body", vocab.MalformedDocument, "the body couldn't be read")
}
