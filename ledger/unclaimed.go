package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
)

// Unclaimed is the state of a flattr that waits for somebody who can be paid (protocol §5.3): it is kept here, in no
// month, takes no share of a budget and is told to nobody. It ends as Undone, Carried or Expired.
const Unclaimed = "unclaimed"

// defaultUnclaimedMonths is for how long one waits unless the instance says otherwise.
const defaultUnclaimedMonths = 12

// maxUnclaimed is how many flattrs of a member may wait at a time.
const maxUnclaimed = 1000

// UnclaimedThing can be flattred although nobody is known who could be paid for it.
type UnclaimedThing struct {
	ID         int64
	IRI        string // a page's canonical address, or an object's id
	URL        string // what people open
	Title      string
	Site       string // URL's host
	Author     string // the author's actor; may be ""
	AuthorName string
	Handle     string // the author's, name@host in lower case; may be ""
	CreatedAt  time.Time
}

const unclaimedThingColumns = `id, iri, url, title, site, author, author_name, handle, created_at`

// UnclaimedError: nobody is known who could be paid for a thing. It can be flattred all the same (FlattrUnclaimed).
type UnclaimedError struct{ Thing UnclaimedThing }

func (e *UnclaimedError) Error() string { return e.Thing.IRI + ": nobody is known who could be paid" }

// Is makes every UnclaimedError an ErrNotFound, for those who look for somebody to pay.
func (e *UnclaimedError) Is(target error) bool { return target == ErrNotFound }

// SaveUnclaimed stores such a thing, or what is new of it; ID, Site and CreatedAt are made here. FieldError "url": form.
func (l *Ledger) SaveUnclaimed(ctx context.Context, u UnclaimedThing) (UnclaimedThing, error) {
	at, err := url.Parse(u.URL)
	if err != nil || at.Host == "" {
		return u, refused("url", "form")
	}
	err = l.tx(ctx, func(tx *Tx) (err error) {
		u, err = row[UnclaimedThing](tx.Query(ctx, `
			insert into unclaimed_thing (iri, url, title, site, author, author_name, handle, created_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8)
			on conflict (iri) do update set url = excluded.url, title = excluded.title, site = excluded.site,
			  author = excluded.author, author_name = excluded.author_name, handle = excluded.handle
			returning `+unclaimedThingColumns, u.IRI, u.URL, cmp.Or(u.Title, u.URL), at.Host, u.Author, u.AuthorName, u.Handle, tx.at))
		return err
	})
	return u, err
}

// UnclaimedByIRI reads one; ErrNotFound.
func (l *Ledger) UnclaimedByIRI(ctx context.Context, iri string) (UnclaimedThing, error) {
	return row[UnclaimedThing](l.pool.Query(ctx, `select `+unclaimedThingColumns+` from unclaimed_thing where iri = $1`, iri))
}

// UnclaimedThing reads one by id; ErrNotFound.
func (l *Ledger) UnclaimedThing(ctx context.Context, id int64) (UnclaimedThing, error) {
	return row[UnclaimedThing](l.pool.Query(ctx, `select `+unclaimedThingColumns+` from unclaimed_thing where id = $1`, id))
}

// UnclaimedFlattr is a click that waits, or waited.
type UnclaimedFlattr struct {
	ID        uuid.UUID
	Giver     int64
	Thing     int64
	State     string // unclaimed | undone | carried | expired
	MadeAt    time.Time
	ExpiresAt time.Time
	EndedAt   *time.Time
	Flattr    *uuid.UUID // that it became, or the fresh click that absorbed it
}

const unclaimedColumns = `id, giver, thing, state, made_at, expires_at, ended_at, flattr`

// FlattrUnclaimed keeps a member's click on a thing that nobody can be paid for. One waits already: that one (again =
// true). It needs no budget, and takes nothing of one. ErrNotFound; FieldError "thing": too-many.
func (l *Ledger) FlattrUnclaimed(ctx context.Context, by, thing int64) (f UnclaimedFlattr, again bool, err error) {
	err = l.tx(ctx, func(tx *Tx) error {
		if _, err := tx.activeMember(ctx, by, true); err != nil {
			return err
		}
		f, err = row[UnclaimedFlattr](tx.Query(ctx, `select `+unclaimedColumns+` from unclaimed_flattr
			where giver = $1 and thing = $2 and state = 'unclaimed'`, by, thing))
		if again = err == nil; !errors.Is(err, ErrNotFound) {
			return err
		}
		f, err = tx.wait(ctx, by, thing)
		return err
	})
	return f, again, err
}

// wait keeps a click of a member who is locked, and has the thing looked at again.
func (tx *Tx) wait(ctx context.Context, by, thing int64) (f UnclaimedFlattr, err error) {
	var waiting int
	if err := tx.QueryRow(ctx, `
		select count(*) from unclaimed_flattr where giver = $1 and state = 'unclaimed'`, by).Scan(&waiting); err != nil {
		return f, err
	}
	if waiting >= maxUnclaimed {
		return f, refused("thing", "too-many")
	}
	tag, err := tx.Exec(ctx, `update unclaimed_thing set look_at = least(look_at, $2) where id = $1`, thing, tx.at.Add(lookFirst))
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return f, err
	}
	return row[UnclaimedFlattr](tx.Query(ctx, `
		insert into unclaimed_flattr (id, giver, thing, state, made_at, expires_at)
		values ($1, $2, $3, 'unclaimed', $4, $5) returning `+unclaimedColumns,
		uuid.Must(uuid.NewV7()), by, thing, tx.at, tx.at.AddDate(0, int(tx.l.inst.UnclaimedMonths), 0)))
}

// undoUnclaimed takes a waiting click back, whatever month it is.
func (tx *Tx) undoUnclaimed(ctx context.Context, by int64, id uuid.UUID) error {
	f, err := row[UnclaimedFlattr](tx.Query(ctx, `select `+unclaimedColumns+` from unclaimed_flattr
		where id = $1 and giver = $2 for no key update`, id, by))
	switch {
	case err != nil:
		return err
	case f.State == Undone:
		return nil
	case f.State != Unclaimed:
		return fmt.Errorf("%w: it waits no more, it is %s", ErrClosed, f.State)
	}
	_, err = tx.Exec(ctx, `update unclaimed_flattr set state = 'undone', ended_at = greatest($2, made_at) where id = $1`, id, tx.at)
	return err
}

// dropUnclaimed takes back what waits of a member who leaves.
func (tx *Tx) dropUnclaimed(ctx context.Context, by int64) error {
	_, err := tx.Exec(ctx, `
		update unclaimed_flattr set state = 'undone', ended_at = greatest($2, made_at) where giver = $1 and state = 'unclaimed'`, by, tx.at)
	return err
}
