package federation

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
)

// keepDocument stores a document with a proof: $1 id, $2 body, $3 the digest of its content, $4 whether it is ours,
// $5 when. The first content under an id stays.
const keepDocument = `
	insert into document (id, body, content, sent, created_at) values ($1, $2, $3, $4, $5) on conflict do nothing`

// Archive keeps signed documents about money.
type Archive struct{}

// Keep implements ledger.Archive: peers' documents, in the transaction that acts on them.
func (Archive) Keep(ctx context.Context, tx pgx.Tx, documents ...ledger.Document) error {
	for _, d := range documents {
		content, err := contentOf(d.Body)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, keepDocument, d.ID, string(d.Body), content, d.Ours, d.At); err != nil {
			return err
		}
	}
	return nil
}

// Contents implements ledger.Archive.
func (Archive) Contents(ctx context.Context, tx pgx.Tx, ids []string) (map[string]string, error) {
	found, err := tx.Query(ctx, `select id, content from document where id = any($1)`, ids)
	if err != nil {
		return nil, err
	}
	contents := map[string]string{}
	var id, content string
	_, err = pgx.ForEachRow(found, []any{&id, &content}, func() error { contents[id] = content; return nil })
	return contents, err
}

// contentOf is the digest of a document without its proof.
func contentOf(body []byte) (string, error) {
	d, err := vocab.Decode(body)
	if err != nil {
		return "", err
	}
	return d.ContentDigest()
}
