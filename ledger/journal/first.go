package journal

import "github.com/jackc/pgx/v5"

// firstRows are what a transaction's first statement found. With them, what was sent has been read.
type firstRows struct {
	pgx.Rows
	results pgx.BatchResults
	closed  error
}

func (r *firstRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *firstRows) Close() {
	r.Rows.Close()
	r.closed = r.results.Close()
}

func (r *firstRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.closed
}

// firstRow is the row that a transaction's first statement found.
type firstRow struct{ pgx.Rows }

func (r firstRow) Scan(dest ...any) error {
	defer r.Close()
	switch {
	case r.Next():
		if err := r.Rows.Scan(dest...); err != nil {
			return err
		}
		r.Close()
	case r.Err() == nil:
		return pgx.ErrNoRows
	}
	return r.Err()
}
