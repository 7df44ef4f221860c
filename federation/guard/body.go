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

// Bodies beyond smallBody need one of a few places, until they are used, so that fifty large ones at a
// time don't cost fifty times their limit. Actors and notes are far below it and never wait.
const (
	smallBody   = 2 // chunks
	largeBodies = 4
)

// readBody reads a decompressed body of at most limit bytes and has it used.
func (c *Client) readBody(resp *http.Response, limit int, use func(body []byte) error) error {
	if resp.ContentLength > int64(limit) {
		return errTooLarge
	}
	return c.readBounded(resp.Request.Context(), resp.Body, limit, use)
}

func (c *Client) readBounded(ctx context.Context, r io.Reader, limit int, use func(body []byte) error) error {
	full, size, err := c.readChunks(ctx, r, limit)
	if len(full) > smallBody {
		defer func() { <-c.large }()
	}
	var body []byte
	if err == nil {
		body = join(full, size)
	}
	for _, next := range full {
		chunks.Put(next)
	}
	if err != nil {
		return err
	}
	return use(body)
}

// readChunks reads to the end. Where there are more than smallBody, a place is held.
func (c *Client) readChunks(ctx context.Context, r io.Reader, limit int) (full []*chunk, size int, err error) {
	for {
		if len(full) == smallBody {
			select {
			case c.large <- struct{}{}:
			case <-ctx.Done():
				return full, size, ctx.Err()
			}
		}
		next := chunks.Get().(*chunk)
		full = append(full, next)
		n, err := fill(r, next)
		size += n
		switch {
		case size > limit:
			return full, size, errTooLarge
		case ctx.Err() != nil: // what ends when its time is over didn't end by itself
			return full, size, ctx.Err()
		case err == io.EOF:
			return full, size, nil
		case err != nil:
			return full, size, err
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
