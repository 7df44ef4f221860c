package audit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// cursorRows are fetched at a time.
const cursorRows = 2000

// cursor reads a query's rows one after the other, beside other cursors of the same transaction. Its errors stay
// with it: a step looks at them when it is through. name stands for the type of its rows, as the driver remembers
// what a FETCH returns.
type cursor[T any] struct {
	ctx    context.Context // of the step that it belongs to
	tx     pgx.Tx
	name   string
	fields func(*T) []any
	buffer []T
	at     int
	ended  bool
	count  int64
	err    error
}

func open[T any](ctx context.Context, a *auditor, name, sql string, fields func(*T) []any) *cursor[T] {
	c := &cursor[T]{ctx: ctx, tx: a.tx, name: "audit_" + name, fields: fields}
	// Without parameters, as one message: there is no plan to keep.
	_, c.err = a.tx.Exec(ctx, `declare `+c.name+` no scroll cursor for `+sql, pgx.QueryExecModeSimpleProtocol)
	return c
}

// head is the next row, nil after the last. It holds until the next one.
func (c *cursor[T]) head() *T {
	if c.at == len(c.buffer) && !c.ended && c.err == nil {
		c.fetch()
	}
	if c.err != nil || c.at == len(c.buffer) {
		return nil
	}
	return &c.buffer[c.at]
}

// next goes on to the row after head's.
func (c *cursor[T]) next() { c.at++; c.count++ }

func (c *cursor[T]) fetch() {
	c.buffer, c.at = c.buffer[:0], 0
	found, err := c.tx.Query(c.ctx, fmt.Sprintf(`fetch forward %d from %s`, cursorRows, c.name))
	if err != nil {
		c.err = err
		return
	}
	var one T
	fields := c.fields(&one)
	_, c.err = pgx.ForEachRow(found, fields, func() error { c.buffer = append(c.buffer, one); return nil })
	c.ended = len(c.buffer) < cursorRows
}

// close ends a cursor and returns its error.
func (c *cursor[T]) close() error {
	if c.err != nil {
		return fmt.Errorf("%s: %w", c.name, c.err)
	}
	_, err := c.tx.Exec(c.ctx, `close `+c.name)
	return err
}

// each calls f with every row.
func (c *cursor[T]) each(f func(T)) error {
	for row := c.head(); row != nil; row = c.head() {
		f(*row)
		c.next()
	}
	return c.close()
}
