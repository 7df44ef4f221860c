package guard

import (
	"fmt"
	"io"
	"net/http"
	"sync"
)

var errTooLarge = fmt.Errorf("more than %d bytes", MaxBody)

// A chunk is what is read at once. Chunks are reused, and only a body that ends within its limit is
// ever put together: fifty endless ones at a time must not cost more than their limit each.
type chunk [32 << 10]byte

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// readBody reads a decompressed body of at most limit bytes.
func readBody(resp *http.Response, limit int) ([]byte, error) {
	if resp.ContentLength > int64(limit) {
		return nil, errTooLarge
	}
	return readBounded(resp.Body, limit)
}

func readBounded(r io.Reader, limit int) ([]byte, error) {
	var full []*chunk
	defer func() {
		for _, c := range full {
			chunks.Put(c)
		}
	}()
	for size := 0; ; {
		c := chunks.Get().(*chunk)
		full = append(full, c)
		n, err := fill(r, c)
		size += n
		switch {
		case size > limit:
			return nil, errTooLarge
		case err == io.EOF:
			return join(full, size), nil
		case err != nil:
			return nil, err
		}
	}
}

// fill reads until the chunk is full. Unlike io.ReadFull it tells a body that ends from one that was
// cut off, which is io.ErrUnexpectedEOF.
func fill(r io.Reader, c *chunk) (int, error) {
	n := 0
	for n < len(c) {
		m, err := r.Read(c[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func join(full []*chunk, size int) []byte {
	body := make([]byte, 0, size)
	for _, c := range full {
		body = append(body, c[:min(len(c), size-len(body))]...)
	}
	return body
}
