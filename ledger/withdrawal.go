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

// Where a withdrawal takes from: the kinds of account.
const (
	OfEarnings = journal.Earned // a payee is paid out
	OfMeans    = journal.Means  // a giver gets back what isn't given
)

// Withdrawal is a member's wish to be paid out by bank, or the operator's to pay what is the instance's to pay.
type Withdrawal struct {
	ID        int64
	Member    int64  // 0: the instance
	Name      string // ""
	Source    string // OfEarnings | OfMeans | OfCause | OfFees
	Amount    int64
	Iban      string
	State     string // requested | paid | refused
	Reference string // for the bank order: at most 35 characters, made before the order
	CreatedAt time.Time
	DecidedAt *time.Time
	Again     bool `db:"-"` // it was asked for before this call, which reserved nothing
}

const withdrawalQuery = `
	select w.id, coalesce(w.member, 0) as member, coalesce(m.name, '') as name, w.source, w.amount, w.iban, w.state, w.reference, w.created_at, w.decided_at
	from withdrawal w left join member m on m.id = w.member`

// RequestWithdrawal reserves available money to be paid out. FieldError: amount (whole cents, above
// zero), iban (form). ErrFunds: more than is available.
func (l *Ledger) RequestWithdrawal(ctx context.Context, by, amount int64, account string) (Withdrawal, error) {
	return l.RequestWithdrawalOnce(ctx, by, amount, account, rand.Text())
}

// RequestRefundOnce reserves a giver's means that no month holds back, to be paid back: otherwise it is
// RequestWithdrawalOnce.
func (l *Ledger) RequestRefundOnce(ctx context.Context, by, amount int64, account, key string) (Withdrawal, error) {
	return l.askWithdrawal(ctx, askedWithdrawal{by: by, source: OfMeans, amount: amount, iban: account, reference: referenceOf("refund", by, key)})
}

// RequestWithdrawalOnce is RequestWithdrawal for a form that may be sent twice: the same key of the same
// member again returns the first withdrawal, marked as Again. ErrConflict: the key came with another
// amount or account.
func (l *Ledger) RequestWithdrawalOnce(ctx context.Context, by, amount int64, account, key string) (Withdrawal, error) {
	return l.askWithdrawal(ctx, askedWithdrawal{by: by, source: OfEarnings, amount: amount, iban: account, reference: referenceOf("withdrawal", by, key)})
}

func (l *Ledger) askWithdrawal(ctx context.Context, a askedWithdrawal) (Withdrawal, error) {
	if a.amount <= 0 || a.amount > maxAmount || a.amount%microPerCent != 0 {
		return Withdrawal{}, refused("amount", "amount")
	}
	parsed, err := iban.NewIBAN(a.iban)
	if err != nil {
		return Withdrawal{}, refused("iban", "form")
	}
	a.iban = parsed.Code
	return l.withdrawals.Commit(ctx, a)
}

// askedWithdrawal is a request for a withdrawal.
type askedWithdrawal struct {
	by, amount              int64
	source, iban, reference string
}

// askWithdrawals does what was asked for while the bank's account was being changed for others. No member is
// in it twice.
func (tx *Tx) askWithdrawals(ctx context.Context, all []askedWithdrawal) ([]journal.Verdict[Withdrawal], error) {
	period, err := tx.openMonth(ctx)
	if err != nil {
		return nil, err
	}
	made, known, err := tx.insertWithdrawals(ctx, all)
	if err != nil {
		return nil, err
	}
	verdicts := make([]journal.Verdict[Withdrawal], len(all))
	var entries []journal.Entry
	var asked []*journal.Verdict[Withdrawal] // of each entry
	for i, a := range all {
		v := &verdicts[i]
		w, active := known[a.reference]
		switch {
		case !active:
			v.Err = ErrNotFound
			continue
		case w.Member != a.by || w.Source != a.source || w.Amount != a.amount || w.Iban != a.iban:
			v.Err = fmt.Errorf("%w: withdrawal %d was asked for with this key", ErrConflict, w.ID)
			continue
		}
		v.Result = w
		if v.Result.Again = !made[w.ID]; !v.Result.Again {
			asked, entries = append(asked, v), append(entries, w.entry(journal.Pending))
		}
	}
	posted, err := journal.PostEach(ctx, tx.book(period), entries...)
	if err != nil {
		return nil, err
	}
	return verdicts, tx.dropRefused(ctx, asked, posted)
}

// insertWithdrawals adds those of active members whose reference is new, and finds all by their references.
func (tx *Tx) insertWithdrawals(ctx context.Context, all []askedWithdrawal) (made map[int64]bool, known map[string]Withdrawal, err error) {
	var members, amounts []int64
	var ibans, references, sources []string
	for _, a := range all {
		members, amounts = append(members, a.by), append(amounts, a.amount)
		ibans, references, sources = append(ibans, a.iban), append(references, a.reference), append(sources, a.source)
	}
	active, err := tx.lockActive(ctx, members)
	if err != nil {
		return nil, nil, err
	}
	fresh, err := ids(tx.Query(ctx, `
		insert into withdrawal (member, source, amount, iban, state, reference, created_at)
		select member, source, amount, iban, 'requested', reference, $5
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $7::text[]) as a (member, amount, iban, reference, source)
		where member = any($6) order by member
		on conflict (reference) do nothing returning id`, members, amounts, ibans, references, tx.at, active, sources))
	if err != nil {
		return nil, nil, err
	}
	found, err := rows[Withdrawal](tx.Query(ctx, withdrawalQuery+`
		where w.reference = any($1) and w.member = any($2)`, references, active))
	made, known = map[int64]bool{}, map[string]Withdrawal{}
	for _, id := range fresh {
		made[id] = true
	}
	for _, w := range found {
		known[w.Reference] = w
	}
	return made, known, err
}

// dropRefused takes back the rows that the journal has refused; nobody has seen them.
func (tx *Tx) dropRefused(ctx context.Context, asked []*journal.Verdict[Withdrawal], posted []error) error {
	var refused []int64
	for n, v := range asked {
		if posted[n] != nil {
			refused = append(refused, v.Result.ID)
			*v = journal.Verdict[Withdrawal]{Err: booked(posted[n])}
		}
	}
	if len(refused) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `delete from withdrawal where id = any($1)`, refused)
	return err
}

// referenceOf makes a withdrawal's bank reference from a form's key, so that the reference, which is
// unique, keeps the key from being used twice. It is a hash: nobody chooses what stands on a transfer.
func referenceOf(what string, member int64, key string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", what, member, key))
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
		if state == "paid" {
			if err := tx.bankFirst(ctx, "withdrawal"); err != nil {
				return err
			}
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
	phase := journal.Void
	if state == "paid" {
		phase = journal.Posted
	}
	return booked(journal.Post(ctx, tx.book(period), w.entry(phase)))
}

// entry is what a withdrawal books in a phase.
func (w Withdrawal) entry(phase string) journal.Entry {
	kind := map[string]string{OfEarnings: kindWithdrawal, OfMeans: kindRefund, OfCause: kindPayout, OfFees: kindPayout}[w.Source]
	return journal.Entry{Kind: kind, Ref: w.ID, Phase: phase, Debit: of(w.Source, w.Member), Credit: bank(), Amount: w.Amount}
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
