package ledger

import (
	"context"
	"errors"
	"strings"

	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/pair"
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
	Document   []byte // as it came; kept
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
	// One claim of a peer at a time: same ids and supersedings can't pass each other, and none passes a freeze.
	if err := tx.lockID(ctx, claimsOf+o.Host); err != nil {
		return err
	}
	p, err := tx.peer(ctx, o.Host)
	if err != nil {
		return err
	}
	known, err := tx.known(ctx, p, o)
	if err != nil {
		return err
	}
	var terms pair.Terms
	w := &decided{Tx: tx, step: "claim", peer: p, open: open}
	if known.Claim == nil {
		if terms, err = tx.terms(ctx, p, open); err != nil {
			return err
		}
		if w.lines, err = tx.judgeLines(ctx, o.Lines); err != nil {
			return err
		}
	}
	offer, err := o.offer(known.Claim == nil)
	if err != nil {
		return err
	}
	d := pair.TakeOffer(p.decided(tx.at), terms, known, offer, func([]pair.Line) []pair.Refusal { return refusalsIn(w.lines) })
	conflict, err := result(d)
	if err == nil {
		err = w.store(ctx, d)
	}
	if err == nil {
		err = w.post(ctx, d)
	}
	if err == nil && known.Claim == nil {
		tx.keep(o.IRI, o.Document, false)
	}
	if err == nil {
		err = tx.commit(ctx)
	}
	failpoint("claim.committed")
	return errors.Join(err, conflict)
}

// known is what is on record of an offer.
func (tx *Tx) known(ctx context.Context, p Peer, o ClaimOffer) (k pair.Known, err error) {
	if k.Claim, err = tx.claimOnRecord(ctx, p, o.IRI); err != nil || o.Supersedes == "" {
		return k, err
	}
	if k.Superseded, err = tx.claimOnRecord(ctx, p, o.Supersedes); errors.Is(err, ErrRefused) {
		err = &ClaimFault{Code: "malformed", Detail: "supersedes another key's claim"}
	}
	return k, err
}

// offer is what package pair judges; the digest of the lines is only taken of an offer that is new.
func (o ClaimOffer) offer(isNew bool) (pair.Offer, error) {
	d := pair.Offer{IRI: o.IRI, Period: o.Period, N: o.N, Amount: o.Amount, LineCount: int(o.LineCount), Digest: o.Digest,
		Content: o.Content, Supersedes: o.Supersedes}
	if !isNew {
		return d, nil
	}
	for _, line := range o.Lines {
		d.Lines = append(d.Lines, pair.Line{Payee: line.Payee, Amount: line.Amount})
	}
	var err error
	d.LineDigest, err = LinesDigest(o.Lines)
	return d, err
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
		t, err := tx.terms(ctx, p, open)
		if err != nil {
			return err
		}
		if f := pair.Plausible(p.decided(tx.at), t, pair.Offer{Period: o.Period, Amount: o.Amount}).Fault; f != nil {
			return &ClaimFault{Code: f.Code, Detail: f.Detail}
		}
		return nil
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

// terms are what a peer's new claim is held to.
func (tx *Tx) terms(ctx context.Context, p Peer, open string) (t pair.Terms, err error) {
	owed, err := journal.BalanceOf(ctx, tx, of(journal.Receivable, p.ID), tx.l.inst.Currency)
	if err != nil {
		return t, err
	}
	t = pair.Terms{Open: open, Room: maxOwed - owed.Posted}
	if p.KeyConfirmedAt == nil {
		t.Room = maxOwedByStranger - owed.Posted
	}
	return t, tx.QueryRow(ctx, `select min(period) from month`).Scan(&t.Since)
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

// judgeLines finds the payees; only they can be wrong without the claim being at fault. Who is found
// can't leave until the claim is booked.
func (tx *Tx) judgeLines(ctx context.Context, lines []Line) (stored []ClaimLine, err error) {
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
		return nil, err
	}
	byName := make(map[string]Member, len(found))
	for _, m := range found {
		byName[m.Name] = m
	}
	stored, refused := make([]ClaimLine, len(lines)), 0
	for i, line := range lines {
		stored[i] = ClaimLine{Payee: line.Payee, Amount: line.Amount, Things: line.thingsJSON()}
		if stored[i].judge(byName[names[i]]); stored[i].Refused != nil {
			if refused++; refused > maxRefused {
				stored[i].Refused = nil
			}
		}
	}
	return stored, nil
}

// refusalsIn are the refusals of lines that are judged.
func refusalsIn(lines []ClaimLine) (all []pair.Refusal) {
	for _, l := range lines {
		if l.Refused != nil {
			all = append(all, pair.Refusal{Payee: l.Payee, Reason: *l.Refused})
		}
	}
	return all
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
			Debit: of(journal.Receivable, peer), Credit: of(journal.Recovery, peer)}
		if line.Member != nil { // but for a member who was lost with a database
			entries[i].Credit = of(journal.Announced, *line.Member)
		}
	}
	return entries, nil
}
