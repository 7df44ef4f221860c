package federation

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// Nearly all messages are far below smallBody; ours always are (protocol §11). One beyond it needs one
// of a few buffers until it is dealt with, so that fifty large ones at a time don't cost fifty times
// their size. Who sends large ones slowly makes only large ones wait.
const (
	smallBody   = 64 << 10 // bytes
	largeBodies = 4
	bufferWait  = 10 * time.Second
)

// largeBuffers are made when first needed.
func largeBuffers() chan []byte {
	all := make(chan []byte, largeBodies)
	for range largeBodies {
		all <- nil
	}
	return all
}

// readBody reads a message of one of the two media types and of at most vocab.MaxBytes. done is called
// when it is dealt with; body isn't used any more after that.
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
	var buffer []byte
	select {
	case buffer = <-s.large:
	case <-time.After(bufferWait):
		return nil, done, refuse(http.StatusServiceUnavailable, "inbox.busy", "", "too many large messages at a time")
	}
	if buffer == nil {
		buffer = make([]byte, vocab.MaxBytes+1)
	}
	done = func() { s.large <- buffer }
	size := copy(buffer, body)
	for err == nil { // the limited reader ends before the buffer is full
		var n int
		n, err = limited.Read(buffer[size:])
		size += n
	}
	if !errors.Is(err, io.EOF) {
		return nil, done, tooLarge(err)
	}
	return buffer[:size], done, nil
}

func tooLarge(err error) error {
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return refuse(http.StatusRequestEntityTooLarge, "inbox.size", vocab.MalformedDocument,
			"at most %d bytes", limit.Limit)
	}
	return refuse(http.StatusBadRequest, "inbox.body", vocab.MalformedDocument, "the body couldn't be read")
}
