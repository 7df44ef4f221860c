package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// ClaimOffer is a peer's claim as it came, its proof checked against the pinned accounting key.
type ClaimOffer struct {
	IRI        string
	Host       string // of the peer
	Period     string
	Currency   string
	N          int32
	Amount     int64
	LineCount  int32
	Digest     string
	Lines      []Line
	Content    string // SHA-256 of the JCS without proof: what "the same" means
	Supersedes string // a claim's IRI, or ""
}

// ReceiveClaim takes a peer's claim: checks it, posts what it owes our members, stores the answer
// and tells it, in one transaction. The same content again gets the stored answer again.
//
// A *ClaimFault is a fault of the claim itself: nothing is stored. ErrConflict: the id is known with
// other content, or an accepted claim was to be superseded; the first stands (and, for the former, the
// peer is frozen).
func (l *Ledger) ReceiveClaim(ctx context.Context, o ClaimOffer) error {
	if err := l.checkHead(o); err != nil {
		return err
	}
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	open, err := tx.openMonth(ctx)
	if err != nil {
		return err
	}
	p, err := tx.peer(ctx, o.Host)
	if err != nil {
		return err
	}
	// One claim of a peer at a time: same ids and supersedings can't pass each other.
	if err := tx.lockID(ctx, "claims of "+o.Host); err != nil {
		return err
	}
	known, err := row[Claim](tx.Query(ctx, claimQuery+` where c.iri = $1`, o.IRI))
	var conflict error
	switch {
	case err == nil:
		conflict, err = tx.claimAgain(ctx, known, o)
	case !errors.Is(err, ErrNotFound):
	default:
		if err = tx.plausible(ctx, p, o, open); err == nil {
			err = checkLines(o)
		}
		if err == nil {
			conflict, err = tx.takeClaim(ctx, p, o, open)
		}
	}
	if err == nil {
		err = tx.commit(ctx)
	}
	failpoint("claim.committed")
	return errors.Join(err, conflict)
}

// ClaimWanted tells whether the lines of a claim that doesn't carry them are worth fetching: it is new here, and
// the offer itself has no fault. Errors are those of ReceiveClaim, which takes a known claim without its lines.
func (l *Ledger) ClaimWanted(ctx context.Context, o ClaimOffer) (wanted bool, err error) {
	if err := l.checkHead(o); err != nil {
		return false, err
	}
	err = l.tx(ctx, func(tx *Tx) error {
		var known bool
		if err := tx.QueryRow(ctx, `select exists (select from claim where iri = $1)`, o.IRI).Scan(&known); err != nil || known {
			return err
		}
		wanted = true
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		p, err := tx.peer(ctx, o.Host)
		if err != nil {
			return err
		}
		return tx.plausible(ctx, p, o, open)
	})
	return wanted, err
}

// What a peer may owe at most, in micro-units: any peer a thousand million units, one whose key no
// operator has compared ten thousand. Whoever can make up hosts could else announce sums to a member
// until the books are full and honest claims no longer fit.
const (
	maxOwed           = 1_000_000_000 * unitPerMicro
	maxOwedByStranger = 10_000 * unitPerMicro
)

// plausible holds a new claim to what this peer can owe for a month that this instance has had.
func (tx *Tx) plausible(ctx context.Context, p Peer, o ClaimOffer, open string) error {
	switch {
	case p.FrozenAt != nil:
		return &ClaimFault{Code: "frozen", Detail: p.FrozenReason}
	case p.HeldAt != nil:
		return &ClaimFault{Code: "frozen", Detail: "another accounting key is held"}
	case o.Period >= open:
		return &ClaimFault{Code: "period-not-closed", Detail: o.Period + " isn't over here"}
	}
	var known bool
	if err := tx.QueryRow(ctx, `select exists (select from month where period = $1)`, o.Period).Scan(&known); err != nil {
		return err
	}
	if !known {
		return &ClaimFault{Code: "period-unknown", Detail: o.Period + " was before this instance"}
	}
	owed, err := journal.BalanceOf(ctx, tx, of(journal.Receivable, p.ID), tx.l.inst.Currency)
	if err != nil {
		return err
	}
	limit := int64(maxOwed)
	if p.KeyConfirmedAt == nil {
		limit = maxOwedByStranger
	}
	if o.Amount > limit-owed.Posted {
		return &ClaimFault{Code: "over-limit", Detail: "more than this instance takes from you before operators have compared keys"}
	}
	return nil
}

// checkHead is what can be judged of an offer without the books and its lines.
func (l *Ledger) checkHead(o ClaimOffer) error {
	switch {
	case !ValidPeriod(o.Period) || o.N < 1 || o.LineCount < 1 || o.Amount < 1:
		return &ClaimFault{Code: "malformed", Detail: "period, n, amount or line count"}
	case o.Currency != l.inst.Currency:
		return &ClaimFault{Code: "unknown-currency", Detail: o.Currency}
	}
	return nil
}

// checkLines holds the lines to the offer: number, order, total, digest.
func checkLines(o ClaimOffer) error {
	var sum int64
	for i, line := range o.Lines {
		switch {
		case line.Amount <= 0 || line.Amount > maxAmount-sum:
			return &ClaimFault{Code: "total-mismatch", Detail: "a line's amount is out of range"}
		case i > 0 && line.Payee == o.Lines[i-1].Payee:
			return &ClaimFault{Code: "malformed", Detail: "payee twice: " + line.Payee}
		case i > 0 && line.Payee < o.Lines[i-1].Payee: // the digest is of the order, which isn't stored
			return &ClaimFault{Code: "malformed", Detail: "lines aren't sorted by payee"}
		}
		sum += line.Amount
	}
	digest, err := LinesDigest(o.Lines)
	switch {
	case err != nil:
		return err
	case int(o.LineCount) != len(o.Lines):
		return &ClaimFault{Code: "malformed", Detail: fmt.Sprintf("%d lines of %d", len(o.Lines), o.LineCount)}
	case sum != o.Amount:
		return &ClaimFault{Code: "total-mismatch", Detail: fmt.Sprintf("lines add up to %d", sum)}
	case digest != o.Digest:
		return &ClaimFault{Code: "digest-mismatch", Detail: "lines have " + digest}
	}
	return nil
}

// claimAgain: the same content gets its answer again; a tombstoned claim is acknowledged without
// effect; other content under the same id freezes the peer.
func (tx *Tx) claimAgain(ctx context.Context, known Claim, o ClaimOffer) (conflict, err error) {
	switch {
	case known.Host != o.Host || known.Direction != "in":
		return nil, fmt.Errorf("%w: %s isn't %s's", ErrRefused, o.IRI, o.Host)
	case known.Answer == nil:
		return nil, nil // a tombstone: superseded before it was ever seen
	case known.Content != o.Content:
		return fmt.Errorf("%w: %s is known with other content: %s", ErrConflict, o.IRI, known.Digest),
			tx.freeze(ctx, known.Peer, "same id, other content: "+o.IRI)
	}
	tx.tell(Message{Kind: TellClaimAnswer, Key: o.IRI, To: o.Host})
	return nil, nil
}

// takeClaim stores a claim that is new with its answer, and books it if it is accepted.
func (tx *Tx) takeClaim(ctx context.Context, p Peer, o ClaimOffer, open string) (conflict, err error) {
	supersedes, conflict, err := tx.supersede(ctx, p, o)
	if err != nil || conflict != nil {
		return conflict, err
	}
	lines, refused, err := tx.judgeLines(ctx, o.Lines)
	if err != nil {
		return nil, err
	}
	accept, reject := "accept", "reject"
	c := Claim{Direction: "in", Peer: p.ID, Period: o.Period, Currency: o.Currency, N: o.N, IRI: o.IRI,
		Amount: o.Amount, LineCount: o.LineCount, Digest: o.Digest, Content: o.Content,
		Supersedes: supersedes, State: ClaimTaken, Answer: &accept, AnsweredAt: &tx.at}
	if refused > 0 {
		c.State, c.Answer = Refused, &reject
	}
	id, err := tx.insertClaim(ctx, c, lines)
	if isUnique(err) {
		return nil, &ClaimFault{Code: "malformed", Detail: "this month's n is taken by another id"}
	}
	if err != nil {
		return nil, err
	}
	failpoint("claim.stored")
	tx.tell(Message{Kind: TellClaimAnswer, Key: o.IRI, To: p.Host})
	if refused == 0 {
		entries, err := tx.lineEntries(ctx, id, p.ID)
		if err != nil {
			return nil, err
		}
		early, err := tx.advance(ctx, p.ID, id, 0)
		if err != nil {
			return nil, err
		}
		if err := booked(journal.Post(ctx, tx.book(open), append(entries, early...)...)); err != nil {
			return nil, err
		}
	}
	failpoint("claim.posted")
	return nil, tx.settleClaim(ctx, id)
}

// supersede puts a tombstone on the refused claim that o replaces, even if it was never seen.
// An accepted claim can't be superseded: its stored answer is told again.
func (tx *Tx) supersede(ctx context.Context, p Peer, o ClaimOffer) (id *int64, conflict, err error) {
	if o.Supersedes == "" {
		return nil, nil, nil
	}
	old, err := row[Claim](tx.Query(ctx, claimQuery+` where c.iri = $1 for no key update of c`, o.Supersedes))
	switch {
	case errors.Is(err, ErrNotFound):
		if old.N, err = o.supersededN(); err != nil {
			return nil, nil, err
		}
		err = tx.QueryRow(ctx, `
			insert into claim (direction, peer, period, currency, n, iri, amount, line_count, digest, state, created_at)
			values ('in', $1, $2, $3, $4, $5, 0, 0, '', 'superseded', $6) returning id`,
			p.ID, o.Period, o.Currency, old.N, o.Supersedes, tx.at).Scan(&old.ID)
		if isUnique(err) {
			err = &ClaimFault{Code: "malformed", Detail: "the superseded n is taken by another id"}
		}
		return &old.ID, nil, err
	case err != nil:
		return nil, nil, err
	case old.Peer != p.ID || old.Direction != "in" || old.Period != o.Period:
		return nil, nil, &ClaimFault{Code: "malformed", Detail: "supersedes another key's claim"}
	case old.State == ClaimTaken || old.State == Confirmed:
		tx.tell(Message{Kind: TellClaimAnswer, Key: old.IRI, To: p.Host})
		return nil, fmt.Errorf("%w: %s was accepted", ErrConflict, old.IRI), nil
	}
	_, err = tx.Exec(ctx, `update claim set state = 'superseded' where id = $1`, old.ID)
	return &old.ID, nil, err
}

// supersededN takes the number of the claim that this one replaces from its id, which must be of the
// same key: else one peer could bury what another is yet to send.
func (o ClaimOffer) supersededN() (int32, error) {
	key, number := cutLast(o.Supersedes)
	n, err := strconv.ParseInt(number, 10, 32)
	if own, _ := cutLast(o.IRI); err != nil || n < 1 || int32(n) >= o.N || key != own {
		return 0, &ClaimFault{Code: "malformed", Detail: "supersedes names no earlier claim"}
	}
	return int32(n), nil
}

// cutLast cuts an id at its last slash.
func cutLast(iri string) (before, after string) {
	at := strings.LastIndexByte(iri, '/')
	return iri[:at+1], iri[at+1:]
}

// judgeLines finds the payees; only they can be wrong without the claim being at fault. Who is found
// can't leave until the claim is booked.
func (tx *Tx) judgeLines(ctx context.Context, lines []Line) (stored []ClaimLine, refused int, err error) {
	names := make([]string, len(lines))
	for i, line := range lines {
		name, ours := strings.CutPrefix(line.Payee, tx.l.inst.MemberIRI(""))
		if ours {
			names[i] = name
		}
	}
	found, err := rows[Member](tx.Query(ctx, `
		select `+memberColumns+` from member where name = any($1) order by id for share`, names))
	if err != nil {
		return nil, 0, err
	}
	byName := make(map[string]Member, len(found))
	for _, m := range found {
		byName[m.Name] = m
	}
	stored = make([]ClaimLine, len(lines))
	for i, line := range lines {
		stored[i] = ClaimLine{Payee: line.Payee, Amount: line.Amount, Things: line.thingsJSON()}
		if stored[i].judge(byName[names[i]]); stored[i].Refused != nil {
			if refused++; refused > maxRefused {
				stored[i].Refused = nil
			}
		}
	}
	return stored, min(refused, maxRefused), nil
}

// maxRefused is how many lines an answer refuses at most, so that it stays a small body; what is left of them is
// refused in the claim's successor.
const maxRefused = 200

// judge holds a line to the member it names; m.ID is 0 if there is none.
func (s *ClaimLine) judge(m Member) {
	reason := "unknown-payee"
	if m.ID != 0 {
		s.Member, reason = &m.ID, "deleted"
	}
	if m.ID == 0 || m.DeletedAt != nil {
		s.Refused = &reason
	}
}

// lineEntries is what an accepted claim books: the peer owes, our payees' money is announced.
func (tx *Tx) lineEntries(ctx context.Context, claim, peer int64) ([]journal.Entry, error) {
	lines, err := rows[ClaimLine](tx.Query(ctx, `select `+lineColumns+` from claim_line where claim = $1 order by id`, claim))
	if err != nil {
		return nil, err
	}
	entries := make([]journal.Entry, len(lines))
	for i, line := range lines {
		entries[i] = journal.Entry{Kind: kindLine, Ref: line.ID, Phase: journal.Single, Amount: line.Amount,
			Debit: of(journal.Receivable, peer), Credit: of(journal.Announced, *line.Member)}
	}
	return entries, nil
}
