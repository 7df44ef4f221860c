package ledger

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"github.com/almerlucke/go-iban/iban"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Withdrawal is a payee's wish to be paid out by bank.
type Withdrawal struct {
	ID        int64
	Member    int64
	Name      string
	Amount    int64
	Iban      string
	State     string // requested | paid | refused
	Reference string // for the bank order: at most 35 characters, made before the order
	CreatedAt time.Time
	DecidedAt *time.Time
	Again     bool `db:"-"` // it was asked for before this call, which reserved nothing
}

const withdrawalQuery = `
	select w.id, w.member, m.name, w.amount, w.iban, w.state, w.reference, w.created_at, w.decided_at
	from withdrawal w join member m on m.id = w.member`

// RequestWithdrawal reserves available money to be paid out. FieldError: amount (whole cents, above
// zero), iban (form). ErrFunds: more than is available.
func (l *Ledger) RequestWithdrawal(ctx context.Context, by, amount int64, account string) (Withdrawal, error) {
	return l.RequestWithdrawalOnce(ctx, by, amount, account, rand.Text())
}

// RequestWithdrawalOnce is RequestWithdrawal for a form that may be sent twice: the same key of the same
// member again returns the first withdrawal, marked as Again. ErrConflict: the key came with another
// amount or account.
func (l *Ledger) RequestWithdrawalOnce(ctx context.Context, by, amount int64, account, key string) (Withdrawal, error) {
	if amount <= 0 || amount > maxAmount || amount%microPerCent != 0 {
		return Withdrawal{}, refused("amount", "amount")
	}
	parsed, err := iban.NewIBAN(account)
	if err != nil {
		return Withdrawal{}, refused("iban", "form")
	}
	var w Withdrawal
	err = l.tx(ctx, func(tx *Tx) error {
		period, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.activeMember(ctx, by, true); err != nil {
			return err
		}
		w, err = tx.askWithdrawal(ctx, by, amount, parsed.Code, referenceOf(by, key), period)
		return err
	})
	return w, err
}

func (tx *Tx) askWithdrawal(ctx context.Context, by, amount int64, account, reference, period string) (Withdrawal, error) {
	tag, err := tx.Exec(ctx, `
		insert into withdrawal (member, amount, iban, state, reference, created_at)
		values ($1, $2, $3, 'requested', $4, $5) on conflict (reference) do nothing`,
		by, amount, account, reference, tx.at)
	if err != nil {
		return Withdrawal{}, err
	}
	w, err := row[Withdrawal](tx.Query(ctx, withdrawalQuery+` where w.reference = $1`, reference))
	switch {
	case err != nil:
		return w, err
	case w.Member != by || w.Amount != amount || w.Iban != account:
		return Withdrawal{}, fmt.Errorf("%w: withdrawal %d was asked for with this key", ErrConflict, w.ID)
	case tag.RowsAffected() == 0:
		w.Again = true
		return w, nil
	}
	return w, booked(journal.Post(ctx, tx.book(period), journal.Entry{Kind: kindWithdrawal, Ref: w.ID, Phase: journal.Pending,
		Debit: of(journal.Earned, by), Credit: bank(), Amount: amount}))
}

// referenceOf makes a withdrawal's bank reference from a form's key, so that the reference, which is
// unique, keeps the key from being used twice. It is a hash: nobody chooses what stands on a transfer.
func referenceOf(member int64, key string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "withdrawal %d %s", member, key))
	return "FL" + base32.StdEncoding.EncodeToString(sum[:])[:16]
}

// newReference makes a bank reference: unguessable, unique, within SEPA's 35 characters.
func newReference() string { return "FL" + strings.ToUpper(rand.Text()[:16]) }

// WithdrawalPaid records that the operator has paid a withdrawal; again is fine.
func (l *Ledger) WithdrawalPaid(ctx context.Context, operator, id int64) error {
	return l.decideWithdrawal(ctx, operator, id, "paid")
}

// WithdrawalRefused gives the reserved money back to the payee; again is fine.
func (l *Ledger) WithdrawalRefused(ctx context.Context, operator, id int64) error {
	return l.decideWithdrawal(ctx, operator, id, "refused")
}

func (l *Ledger) decideWithdrawal(ctx context.Context, operator, id int64, state string) error {
	return l.tx(ctx, func(tx *Tx) error {
		period, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		w, err := row[Withdrawal](tx.Query(ctx, withdrawalQuery+` where w.id = $1 for no key update of w`, id))
		switch {
		case err != nil:
			return err
		case w.State == state:
			return nil
		case w.State != "requested":
			return fmt.Errorf("%w: withdrawal %d is already %s", ErrConflict, id, w.State)
		}
		return tx.decide(ctx, w, state, operator, period)
	})
}

func (tx *Tx) decide(ctx context.Context, w Withdrawal, state string, operator int64, period string) error {
	if _, err := tx.Exec(ctx, `
		update withdrawal set state = $2, decided_at = $3, decided_by = $4 where id = $1`,
		w.ID, state, tx.at, operator); err != nil {
		return err
	}
	entry := journal.Entry{Kind: kindWithdrawal, Ref: w.ID, Phase: journal.Void}
	if state == "paid" {
		entry.Phase, entry.Amount = journal.Posted, w.Amount
	}
	return booked(journal.Post(ctx, tx.book(period), entry))
}

// Withdrawals lists withdrawals: open ones first, then the latest; at most 200.
func (l *Ledger) Withdrawals(ctx context.Context) ([]Withdrawal, error) {
	return rows[Withdrawal](l.pool.Query(ctx, withdrawalQuery+`
		order by (w.state = 'requested') desc, w.id desc limit 200`))
}

// WithdrawalsOf lists a member's own withdrawals, newest first.
func (l *Ledger) WithdrawalsOf(ctx context.Context, by int64) ([]Withdrawal, error) {
	return rows[Withdrawal](l.pool.Query(ctx, withdrawalQuery+` where w.member = $1 order by w.id desc`, by))
}
