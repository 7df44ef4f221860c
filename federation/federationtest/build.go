package federationtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger"
)

// Member makes a member, who has an RSA key at once.
func (w *World) Member(host, name string) ledger.Member {
	w.t.Helper()
	i := w.At(host)
	m := i.Join(name)
	w.must(giveKey(context.Background(), i.Pool, i.Ledger.Instance().MemberIRI(name), w.Clock.Now()))
	return m
}

// Button makes a button whose id follows from its owner and slug, the same in every world. Ids are
// random otherwise, and the last micro-unit of a split is decided by a hash over them: two runs of the
// same history could be told apart by nothing but that. The id is exchanged before anybody knows it.
func (w *World) Button(host string, owner ledger.Member, slug string) ledger.Button {
	w.t.Helper()
	ctx, i := context.Background(), w.At(host)
	b, _ := i.Instance.Button(owner, slug)
	id := ButtonID(owner.Name, slug)
	exchange := func(tx pgx.Tx) error {
		for _, change := range []struct {
			sql  string
			args []any
		}{
			{`insert into button (id, owner, url, title, summary, created_at)
			  select $2, owner, url || '#', title, summary, created_at from button where id = $1`, []any{b.ID, id}},
			{`update thing set button = $2, iri = $3 where button = $1`, []any{b.ID, id, i.Ledger.Instance().ButtonIRI(id)}},
			{`delete from button where id = $1`, []any{b.ID}},
			{`update button set url = $2 where id = $1`, []any{id, b.URL}},
			{`update test_outbox set key = $2 where key = $1`, []any{b.ID, id}},
		} {
			if _, err := tx.Exec(ctx, change.sql, change.args...); err != nil {
				return fmt.Errorf("%s: %w", change.sql, err)
			}
		}
		return nil
	}
	w.must(again(func() error { return pgx.BeginFunc(ctx, i.Pool, exchange) }))
	b.ID = id
	return b
}

// ButtonID is the id that Button gives.
func ButtonID(owner, slug string) string {
	sum := sha256.Sum256([]byte(owner + "/" + slug))
	return hex.EncodeToString(sum[:6])
}
