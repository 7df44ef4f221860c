package guard

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

var errTooLarge = fmt.Errorf("more than %d bytes", MaxBody)

// A chunk is what is read at once. Chunks are reused, and only a body that ends within its limit is
// ever put together.
type chunk [32 << 10]byte

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// Bodies beyond smallBody need one of a few places, so that fifty endless ones at a time don't cost
// fifty times their limit. Actors and notes are far below it and never wait.
const (
	smallBody   = 2 // chunks
	largeBodies = 16
)

// readBody reads a decompressed body of at most limit bytes.
func (c *Client) readBody(resp *http.Response, limit int) ([]byte, error) {
	if resp.ContentLength > int64(limit) {
		return nil, errTooLarge
	}
	return c.readBounded(resp.Request.Context(), resp.Body, limit)
}

func (c *Client) readBounded(ctx context.Context, r io.Reader, limit int) ([]byte, error) {
	var full []*chunk
	defer func() {
		for _, next := range full {
			chunks.Put(next)
		}
		if len(full) > smallBody {
			<-c.large
		}
	}()
	for size := 0; ; {
		if len(full) == smallBody {
			select {
			case c.large <- struct{}{}:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		next := chunks.Get().(*chunk)
		full = append(full, next)
		n, err := fill(r, next)
		size += n
		switch {
		case size > limit:
			return nil, errTooLarge
		case ctx.Err() != nil: // what ends when its time is over didn't end by itself
			return nil, ctx.Err()
		case err == io.EOF:
			return join(full, size), nil
		case err != nil:
			return nil, err
		}
	}
}

// fill reads until the chunk is full. Unlike io.ReadFull it tells a body that ends from one that was
// cut off, which is io.ErrUnexpectedEOF.
func fill(r io.Reader, into *chunk) (int, error) {
	n := 0
	for n < len(into) {
		m, err := r.Read(into[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func join(full []*chunk, size int) []byte {
	body := make([]byte, 0, size)
	for _, next := range full {
		body = append(body, next[:min(len(next), size-len(body))]...)
	}
	return body
}
