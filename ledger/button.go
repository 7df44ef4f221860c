package ledger

import (
	"context"
	"crypto/rand"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Button is one flattrable thing on the web; a Page on its owner's home (protocol §3).
type Button struct {
	ID        string // 12 of a-z2-7
	Owner     int64
	OwnerName string
	URL       string // canonical
	Title     string
	Summary   string
	Flattrs   int64 // accepted and held, all months, everywhere
	CreatedAt time.Time
	RemovedAt *time.Time
}

// buttonQuery reads buttons with their public count: flattrs that are undone, rejected, unfunded or
// unanswered don't show; the same giver in another month does.
const buttonQuery = `
	select b.id, b.owner, m.name as owner_name, b.url, b.title, b.summary, b.created_at, b.removed_at,
	  (select count(*) from thing t join flattr f on f.thing = t.id
	    where t.button = b.id and f.state in ('accepted', 'held')) +
	  (select count(distinct (r.giver, r.period)) from received_flattr r
	    where r.button = b.id and r.undone_at is null and r.answer in ('accept', 'tentative')) as flattrs
	from button b join member m on m.id = b.owner`

var buttonForm = regexp.MustCompile(`^[a-z0-9]{8,16}$`)

// NewButton is what an owner gives. URL must already be canonical (the caller's vocabulary does it).
type NewButton struct {
	URL     string
	Title   string
	Summary string
}

// CreateButton makes a button, or returns the owner's button for that URL if there is one.
// Refusals name the field: url (required, form), title (required, too-long), summary (too-long).
// Followers of the owner are told (Create{Page}). What waits for that page is looked at again.
func (l *Ledger) CreateButton(ctx context.Context, owner int64, n NewButton) (Button, error) {
	n.Title, n.Summary = strings.TrimSpace(n.Title), strings.TrimSpace(n.Summary)
	if err := n.check(); err != nil {
		return Button{}, err
	}
	var b Button
	err := l.tx(ctx, func(tx *Tx) error {
		m, err := tx.activeMember(ctx, owner, true)
		if err != nil {
			return err
		}
		id, created, err := tx.insertButton(ctx, m, n)
		if err != nil {
			return err
		}
		if created {
			if err := tx.tellFollowers(ctx, m.ID, TellButton, id); err != nil {
				return err
			}
		}
		if err := tx.lookFor(ctx, n.URL); err != nil {
			return err
		}
		b, err = row[Button](tx.Query(ctx, buttonQuery+` where b.id = $1`, id))
		return err
	})
	return b, err
}

func (n NewButton) check() error {
	u, err := url.Parse(n.URL)
	switch {
	case n.URL == "":
		return refused("url", "required")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(n.URL) > 2000:
		return refused("url", "form")
	case n.Title == "":
		return refused("title", "required")
	case utf8.RuneCountInString(n.Title) > 200:
		return refused("title", "too-long")
	case utf8.RuneCountInString(n.Summary) > 1000:
		return refused("summary", "too-long")
	}
	return nil
}

func (tx *Tx) insertButton(ctx context.Context, owner Member, n NewButton) (id string, created bool, err error) {
	id = strings.ToLower(rand.Text()[:12])
	tag, err := tx.Exec(ctx, `
		insert into button (id, owner, url, title, summary, created_at)
		values ($1, $2, $3, $4, $5, $6) on conflict (owner, url) do nothing`,
		id, owner.ID, n.URL, n.Title, n.Summary, tx.at)
	if err != nil {
		return "", false, err
	}
	if tag.RowsAffected() == 0 {
		err = tx.QueryRow(ctx, `
			update button set removed_at = null where owner = $1 and url = $2 returning id`,
			owner.ID, n.URL).Scan(&id)
		return id, false, err
	}
	_, err = tx.Exec(ctx, `
		insert into thing (iri, url, title, payee, payee_name, button, member, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`, tx.l.inst.ButtonIRI(id), n.URL, n.Title,
		tx.l.inst.MemberIRI(owner.Name), owner.DisplayName, id, owner.ID, tx.at)
	return id, true, err
}

// Button reads one button, removed or not; ErrNotFound.
func (l *Ledger) Button(ctx context.Context, id string) (Button, error) {
	if !buttonForm.MatchString(id) {
		return Button{}, ErrNotFound
	}
	return row[Button](l.pool.Query(ctx, buttonQuery+` where b.id = $1`, id))
}

// ButtonByURL reads an owner's button for a canonical URL; ErrNotFound.
func (l *Ledger) ButtonByURL(ctx context.Context, owner, url string) (Button, error) {
	return row[Button](l.pool.Query(ctx, buttonQuery+` where m.name = $1 and b.url = $2 and b.removed_at is null`,
		owner, url))
}

// Buttons lists an owner's buttons, newest first.
func (l *Ledger) Buttons(ctx context.Context, owner int64) ([]Button, error) {
	return rows[Button](l.pool.Query(ctx, buttonQuery+`
		where b.owner = $1 and b.removed_at is null order by b.created_at desc, b.id`, owner))
}

// RemoveButton takes an owner's button off the web; what was given to it stays given.
func (l *Ledger) RemoveButton(ctx context.Context, owner int64, id string) error {
	return l.tx(ctx, func(tx *Tx) error {
		tag, err := tx.Exec(ctx, `
			update button set removed_at = $3 where id = $2 and owner = $1 and removed_at is null`, owner, id, tx.at)
		if err == nil && tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return err
	})
}
