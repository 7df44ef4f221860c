package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// CopyRows are rows on their way into a table by COPY in binary format (PostgreSQL, COPY, "Binary
// Format"): pgx's own CopyFrom makes a slice of interfaces for each row, which is most of a large
// settlement's work in this process.
type CopyRows struct{ raw []byte }

// copyHeader: signature, flags, length of the header's extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// Row begins a row of that many columns.
func (c *CopyRows) Row(columns int16) {
	if len(c.raw) == 0 {
		c.raw = append(c.raw, copyHeader...)
	}
	c.raw = binary.BigEndian.AppendUint16(c.raw, uint16(columns))
}

// Int adds a bigint to the row.
func (c *CopyRows) Int(v int64) {
	c.raw = binary.BigEndian.AppendUint32(c.raw, 8)
	c.raw = binary.BigEndian.AppendUint64(c.raw, uint64(v))
}

// Text adds a text or char(n) to the row.
func (c *CopyRows) Text(v string) {
	c.raw = binary.BigEndian.AppendUint32(c.raw, uint32(len(v)))
	c.raw = append(c.raw, v...)
}

// epoch is where PostgreSQL counts a timestamp's microseconds from.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Time adds a timestamptz to the row.
func (c *CopyRows) Time(v time.Time) { c.Int(v.Sub(epoch).Microseconds()) }

// Send copies the rows into the columns of a table and forgets them.
func (c *CopyRows) Send(ctx context.Context, conn *pgconn.PgConn, table, columns string) error {
	if len(c.raw) == 0 {
		return nil
	}
	c.raw = binary.BigEndian.AppendUint16(c.raw, 0xffff) // the trailer
	_, err := conn.CopyFrom(ctx, bytes.NewReader(c.raw), fmt.Sprintf(`copy %s (%s) from stdin (format binary)`, table, columns))
	c.raw = c.raw[:0]
	return err
}
