package ledger

import (
	"context"
	"time"
)

// Thing is what can be flattred from here: a button of ours or of another instance.
type Thing struct {
	ID        int64
	IRI       string // the Page's id
	URL       string // what it is about
	Title     string
	Payee     string // the payee's actor
	PayeeName string
	Button    *string // set when it is a button of ours
	Member    *int64  // its owner, when ours
	Peer      *int64  // the payee's instance, when not ours
	CreatedAt time.Time
}

const thingColumns = `id, iri, url, title, payee, payee_name, button, member, peer, created_at`

// RemoteThing is a thing that another instance's button stands for, as fetched from there.
type RemoteThing struct {
	IRI, URL, Title, Payee, PayeeName string
	Host                              string // of both IRI and Payee
	Splits                            []ToldSplit
}

// SaveThing stores or refreshes a remote thing. The payee of a known thing never changes here
// (ErrConflict): what was clicked for one person isn't paid to another.
func (l *Ledger) SaveThing(ctx context.Context, r RemoteThing) (Thing, error) {
	var t Thing
	err := l.tx(ctx, func(tx *Tx) (err error) {
		if t, err = tx.saveThing(ctx, r); err != nil {
			return err
		}
		return tx.saveSplits(ctx, t, r.Splits)
	})
	return t, err
}

func (tx *Tx) saveThing(ctx context.Context, r RemoteThing) (Thing, error) {
	peer, err := tx.peer(ctx, r.Host)
	if err != nil {
		return Thing{}, err
	}
	t, err := row[Thing](tx.Query(ctx, `
		insert into thing (iri, url, title, payee, payee_name, peer, created_at)
		values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (iri) do update set url = excluded.url, title = excluded.title,
		  payee_name = excluded.payee_name
		returning `+thingColumns, r.IRI, r.URL, r.Title, r.Payee, r.PayeeName, peer.ID, tx.at))
	if err == nil && t.Payee != r.Payee {
		return t, ErrConflict
	}
	return t, err
}

// ThingByIRI reads a thing, ours or remembered; ErrNotFound.
func (l *Ledger) ThingByIRI(ctx context.Context, iri string) (Thing, error) {
	return row[Thing](l.pool.Query(ctx, `select `+thingColumns+` from thing where iri = $1`, iri))
}

// Thing reads a thing by id; ErrNotFound.
func (l *Ledger) Thing(ctx context.Context, id int64) (Thing, error) {
	return row[Thing](l.pool.Query(ctx, `select `+thingColumns+` from thing where id = $1`, id))
}
