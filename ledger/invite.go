package ledger

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
)

// Invite lets people join; registration is by invitation.
type Invite struct {
	ID        int64
	Code      string
	Note      string // for the operator's eyes: whom it is for
	UsesLeft  int32
	ExpiresAt time.Time
	CreatedAt time.Time
}

const inviteColumns = `id, code, note, uses_left, expires_at, created_at`

// CreateInvite makes an invitation for uses newcomers (1 to 1000), good for 30 days.
func (l *Ledger) CreateInvite(ctx context.Context, operator int64, note string, uses int) (Invite, error) {
	if uses < 1 || uses > 1000 {
		return Invite{}, refused("uses", "range")
	}
	var i Invite
	err := l.tx(ctx, func(tx *Tx) error {
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		var err error
		i, err = row[Invite](tx.Query(ctx, `
			insert into invite (code, created_by, note, uses_left, expires_at, created_at)
			values ($1, $2, $3, $4, $5, $6) returning `+inviteColumns,
			strings.ToLower(rand.Text()), operator, note, uses, tx.at.AddDate(0, 0, 30), tx.at))
		return err
	})
	return i, err
}

// Invites lists the invitations that still work, newest first.
func (l *Ledger) Invites(ctx context.Context, operator int64) ([]Invite, error) {
	var all []Invite
	err := l.tx(ctx, func(tx *Tx) error {
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		var err error
		all, err = rows[Invite](tx.Query(ctx, `
			select `+inviteColumns+` from invite where uses_left > 0 and expires_at > $1
			order by id desc`, tx.at))
		return err
	})
	return all, err
}

// InviteGood tells whether a code can still be used: nil, or what is wrong with the field "code".
func (l *Ledger) InviteGood(ctx context.Context, code string) error {
	return l.tx(ctx, func(tx *Tx) error { _, err := tx.openInvite(ctx, code); return err })
}

func (tx *Tx) openInvite(ctx context.Context, code string) (int64, error) {
	i, err := row[Invite](tx.Query(ctx, `select `+inviteColumns+` from invite where code = $1 for no key update`,
		strings.ToLower(strings.TrimSpace(code))))
	switch {
	case err == ErrNotFound:
		return 0, refused("code", "unknown")
	case err != nil:
		return 0, err
	case i.UsesLeft == 0:
		return 0, refused("code", "used")
	case !i.ExpiresAt.After(tx.at):
		return 0, refused("code", "expired")
	}
	return i.ID, nil
}

func (tx *Tx) useInvite(ctx context.Context, code string) (int64, error) {
	id, err := tx.openInvite(ctx, code)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `update invite set uses_left = uses_left - 1 where id = $1`, id)
	return id, err
}
