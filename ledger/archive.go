package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Archive keeps signed documents about money, in the ledger's transaction.
type Archive interface {
	// Keep stores documents; the first content under an id stays.
	Keep(ctx context.Context, tx pgx.Tx, documents ...Document) error
	// Contents are the digests of what is kept, without the proofs, by id: an offer's, a payment's, and with
	// "#answer" behind it, of the answer to it.
	Contents(ctx context.Context, tx pgx.Tx, ids []string) (map[string]string, error)
}

// Document is a signed document as it came.
type Document struct {
	ID   string
	Body []byte
	Ours bool
	At   time.Time // when it came
}

// keep has a document kept with the transaction.
func (tx *Tx) keep(id string, body []byte, ours bool) {
	if len(body) > 0 {
		tx.kept = append(tx.kept, Document{ID: id, Body: body, Ours: ours, At: tx.at})
	}
}
