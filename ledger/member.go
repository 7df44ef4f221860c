package ledger

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

// Roles of a member.
const (
	RoleMember   = "member"
	RoleOperator = "operator"
)

// Member is a person with an account here.
type Member struct {
	ID          int64
	Name        string // the handle's local part: ^[a-z0-9_]{1,30}$
	DisplayName string
	Language    string // de | en
	Role        string
	Budget      int64 // micro-units a month; 0: none
	Epoch       int32 // grows when every session must end
	CreatedAt   time.Time
	DeletedAt   *time.Time
}

// Operator tells whether the member runs the instance.
func (m Member) Operator() bool { return m.Role == RoleOperator }

const memberColumns = `id, name, display_name, language, role, budget, epoch, created_at, deleted_at`

var nameForm = regexp.MustCompile(`^[a-z0-9_]{1,30}$`)

// reserved names would be read as something else in a handle or a path.
var reservedNames = map[string]bool{"admin": true, "actor": true, "operator": true, "instance": true,
	"root": true, "flattr": true, "support": true, "www": true}

// Joining is what a newcomer gives. PasswordHash is an argon2id PHC string.
type Joining struct {
	Code         string // the invitation
	Name         string
	DisplayName  string
	PasswordHash string
	Language     string
}

// Join makes a member from an invitation and uses that up by one. Refusals name the field: code
// (unknown, used, expired), name (form, reserved, taken), display_name (too-long, form: see Legible),
// language.
func (l *Ledger) Join(ctx context.Context, j Joining) (Member, error) {
	if err := j.check(); err != nil {
		return Member{}, err
	}
	var m Member
	err := l.tx(ctx, func(tx *Tx) error {
		invite, err := tx.useInvite(ctx, j.Code)
		if err != nil {
			return err
		}
		m, err = tx.insertMember(ctx, j, RoleMember, &invite)
		return err
	})
	return m, err
}

func (j Joining) check() error {
	switch {
	case j.Name == "":
		return refused("name", "required")
	case !nameForm.MatchString(j.Name):
		return refused("name", "form")
	case reservedNames[j.Name]:
		return refused("name", "reserved")
	case utf8.RuneCountInString(j.DisplayName) > 100:
		return refused("display_name", "too-long")
	case !Legible(j.DisplayName):
		return refused("display_name", "form")
	case j.PasswordHash == "":
		return refused("password", "required")
	case j.Language != "de" && j.Language != "en":
		return refused("language", "unknown")
	}
	return nil
}

func (tx *Tx) insertMember(ctx context.Context, j Joining, role string, invite *int64) (Member, error) {
	if strings.TrimSpace(j.DisplayName) == "" {
		j.DisplayName = j.Name
	}
	m, err := row[Member](tx.Query(ctx, `
		insert into member (name, display_name, password_hash, language, role, invite, created_at)
		values ($1, $2, $3, $4, $5, $6, $7) returning `+memberColumns,
		j.Name, strings.TrimSpace(j.DisplayName), j.PasswordHash, j.Language, role, invite, tx.at))
	if isUnique(err) {
		return m, refused("name", "taken")
	}
	return m, err
}

func isUnique(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

// CreateOperator makes a member who runs the instance; the command line is the only caller.
func (l *Ledger) CreateOperator(ctx context.Context, j Joining) (Member, error) {
	j.Code = ""
	if err := j.check(); err != nil {
		return Member{}, err
	}
	var m Member
	err := l.tx(ctx, func(tx *Tx) (err error) {
		m, err = tx.insertMember(ctx, j, RoleOperator, nil)
		return err
	})
	return m, err
}

// Member reads a member by id, deleted or not; ErrNotFound.
func (l *Ledger) Member(ctx context.Context, id int64) (Member, error) {
	return row[Member](l.pool.Query(ctx, `select `+memberColumns+` from member where id = $1`, id))
}

// MemberByName reads a member by name, deleted or not; ErrNotFound.
func (l *Ledger) MemberByName(ctx context.Context, name string) (Member, error) {
	if !nameForm.MatchString(name) { // the text may be anything, even none that PostgreSQL takes
		return Member{}, ErrNotFound
	}
	return row[Member](l.pool.Query(ctx, `select `+memberColumns+` from member where name = $1`, name))
}

// PasswordHash returns the argon2id string of a member who isn't deleted; ErrNotFound.
func (l *Ledger) PasswordHash(ctx context.Context, name string) (Member, string, error) {
	type credentials struct {
		Member
		PasswordHash string
	}
	c, err := row[credentials](l.pool.Query(ctx, `
		select `+memberColumns+`, password_hash from member where name = $1 and deleted_at is null`, name))
	return c.Member, c.PasswordHash, err
}

// SetPassword replaces a member's password, an argon2id PHC string, and ends every session of theirs.
// The command line is the only caller. ErrNotFound: no such member.
func (l *Ledger) SetPassword(ctx context.Context, name, hash string) error {
	return l.tx(ctx, func(tx *Tx) error {
		tag, err := tx.Exec(ctx, `
			update member set password_hash = $2, epoch = epoch + 1 where name = $1 and deleted_at is null`, name, hash)
		if err == nil && tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return err
	})
}

// SetLanguage stores the language a member reads in: de or en.
func (l *Ledger) SetLanguage(ctx context.Context, by int64, language string) error {
	if language != "de" && language != "en" {
		return refused("language", "unknown")
	}
	return l.tx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `update member set language = $2 where id = $1`, by, language)
		return err
	})
}

// DeleteMember is Leave for an account that holds nothing that a bank could move, and nothing that may come back
// (ErrFunds otherwise).
func (l *Ledger) DeleteMember(ctx context.Context, by int64) error {
	return l.Leave(ctx, by, Leaving{})
}

// holdMonths lets no month be settled and no click be made meanwhile: they would give to one who
// leaves, and nobody could withdraw that. It returns the open month.
func (tx *Tx) holdMonths(ctx context.Context) (string, error) {
	closed, err := rows[Month](tx.Query(ctx, `
		select `+monthColumns+` from month where state = 'closed' order by period for share`))
	if err != nil {
		return "", err
	}
	for _, m := range closed {
		if m.FrozenAt != nil {
			return "", fmt.Errorf("%w: %s is being settled", ErrClosed, m.Period)
		}
	}
	for range MaxTries { // a close that we waited for opened another month, which only a new statement sees
		m, err := row[Month](tx.Query(ctx, `select `+monthColumns+` from month where state = 'open' for update`))
		if !errors.Is(err, ErrNotFound) {
			return m.Period, err
		}
	}
	return "", ErrNotFound
}

// takesNothing rejects our givers' unsettled flattrs of a member's things; the others get their part.
func (tx *Tx) takesNothing(ctx context.Context, id int64) error {
	if _, err := tx.Exec(ctx, `
		update flattr f set state = 'rejected', reason = $2, answered_at = $3 from thing t, month m
		where t.id = f.thing and t.member = $1 and m.period = f.period and m.state <> 'settled'
		  and f.state in ('unfunded', 'sent', 'held', 'accepted')
		  and not exists (select from flattr_part x where x.flattr = f.id)`, id, ReasonNotAccepting, tx.at); err != nil {
		return err
	}
	return tx.leaveParts(ctx, id)
}

func (tx *Tx) hasNothing(ctx context.Context, id int64) error {
	h, err := tx.holdings(ctx, id)
	if err == nil && !h.Closable() {
		err = fmt.Errorf("%w: the account still holds money", ErrFunds)
	}
	return err
}

// activeMember reads and, when lock is set, locks a member who isn't deleted.
func (tx *Tx) activeMember(ctx context.Context, id int64, lock bool) (Member, error) {
	sql := `select ` + memberColumns + ` from member where id = $1 and deleted_at is null`
	if lock {
		sql += ` for no key update`
	}
	return row[Member](tx.Query(ctx, sql, id))
}

// lockActive locks those of the members who aren't deleted, in the order of their ids, in which it returns them.
func (tx *Tx) lockActive(ctx context.Context, members []int64) ([]int64, error) {
	return ids(tx.Query(ctx, `
		select id from member where id = any($1) and deleted_at is null order by id for no key update`, members))
}

// operator demands that by runs the instance.
func (tx *Tx) operator(ctx context.Context, by int64) error {
	m, err := tx.activeMember(ctx, by, false)
	if err != nil {
		return err
	}
	if !m.Operator() {
		return fmt.Errorf("%w: only an operator may do this", ErrRefused)
	}
	return nil
}
