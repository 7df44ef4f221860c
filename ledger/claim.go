package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// States of a claim (protocol §9).
const (
	ClaimDraft = string(pair.Draft)
	Offered    = string(pair.Offered)
	ClaimTaken = string(pair.Accepted)
	Refused    = string(pair.Refused)
	Superseded = string(pair.Superseded)
	Confirmed  = string(pair.Confirmed)
	Replaced   = string(pair.Replaced)
)

// Claim is what one instance owes the members of another for a month: outgoing (we owe) or incoming.
type Claim struct {
	ID          int64
	Direction   string // out | in
	Peer        int64
	Host        string // the peer's
	Period      string
	Currency    string
	N           int32
	IRI         string // "": a draft
	Amount      int64
	LineCount   int32
	Digest      string
	State       string
	Answer      *string
	Content     string
	Supersedes  *int64
	Origin      *int64
	Adopted     bool // ours, lost with a database and returned by the peer
	CreatedAt   time.Time
	AnsweredAt  *time.Time
	ConfirmedAt *time.Time
	Allocated   int64 // of Amount, what payments cover: confirmed, or still on their way
	Paid        int64 // of Amount, what payments cover for sure
}

// claimQuery reads claims with what is allocated to them. A payment on its way holds its allocation;
// one that wasn't received or was cancelled gives it back.
const claimQuery = `
	select c.id, c.direction, c.peer, p.host, c.period, c.currency, coalesce(c.n, 0) as n, coalesce(c.iri, '') as iri, c.amount, c.line_count,
	  c.digest, c.state, c.answer, c.content, c.supersedes, c.origin, c.adopted, c.created_at, c.answered_at, c.confirmed_at,
	  coalesce(a.allocated, 0)::bigint as allocated, coalesce(a.paid, 0)::bigint as paid
	from claim c join peer p on p.id = c.peer
	left join lateral (
	  select sum(case when y.state = 'confirmed' then a.confirmed
	                  when y.state in ('ordered', 'sent', 'announced') then a.amount else 0 end) as allocated,
	         sum(a.confirmed) filter (where y.state = 'confirmed') as paid
	  from payment_allocation a join payment y on y.id = a.payment where a.claim = c.id) a on true`

// Open is what of a claim no payment covers yet, in micro-units.
func (c Claim) Open() int64 { return c.Amount - c.Allocated }

// Live tells whether the claim is what is owed: offered or accepted, and nothing took its place.
func (c Claim) Live() bool {
	return c.State == Offered || c.State == ClaimTaken || c.State == Confirmed
}

// Claims lists all claims, newest month first.
func (l *Ledger) Claims(ctx context.Context) ([]Claim, error) {
	return rows[Claim](l.pool.Query(ctx, claimQuery+` order by c.period desc, p.host, c.direction, c.n`))
}

// ClaimsBefore lists a page of at most so many claims, the latest first: all, or one host's, and of these
// the ones before the claim of that id (0: from the latest on).
func (l *Ledger) ClaimsBefore(ctx context.Context, host string, before int64, most int) ([]Claim, error) {
	return rows[Claim](l.pool.Query(ctx, claimQuery+`
		where ($1 = '' or p.host = $1) and ($2::bigint = 0 or c.id < $2)
		order by c.id desc limit $3`, host, before, most))
}

// Claim reads a claim by its id; ErrNotFound.
func (l *Ledger) Claim(ctx context.Context, iri string) (Claim, error) {
	return row[Claim](l.pool.Query(ctx, claimQuery+` where c.iri = $1`, iri))
}

// ClaimIRI is the id of a claim of ours: the key (peer, month, currency, n) spelled out.
func (i Instance) ClaimIRI(host, period, currency string, n int32) string {
	return fmt.Sprintf("%s/claims/%s/%s/%s/%d", i.BaseURL, period, host, currency, n)
}

// ClaimLine is a stored line.
type ClaimLine struct {
	ID      int64
	Claim   int64
	Payee   string
	Member  *int64
	Amount  int64
	Things  []byte
	Refused *string
}

const lineColumns = `id, claim, payee, member, amount, things, refused`

// Refusal is a line that the payee's home refuses, with its reason (protocol §8).
type Refusal = pair.Refusal

// ClaimDocument is all that an offer or its answer says, from rows that don't change.
type ClaimDocument struct {
	Claim
	Lines          []Line
	Refusals       []Refusal // of a refused claim
	SupersededIRI  string    // of the claim that this one replaces, or ""
	SupersededHost string
}

// ClaimDocument reads a claim for telling.
func (l *Ledger) ClaimDocument(ctx context.Context, iri string) (ClaimDocument, error) {
	var d ClaimDocument
	err := pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead},
		func(tx pgx.Tx) (err error) {
			if d.Claim, err = row[Claim](tx.Query(ctx, claimQuery+` where c.iri = $1`, iri)); err != nil {
				return err
			}
			if d.Supersedes != nil {
				if err := tx.QueryRow(ctx, `select iri from claim where id = $1`, d.Supersedes).
					Scan(&d.SupersededIRI); err != nil {
					return err
				}
			}
			d.Lines, d.Refusals, err = readLines(ctx, tx, d.ID)
			return err
		})
	return d, err
}

// readLines returns a claim's lines in wire order, and which of them were refused.
func readLines(ctx context.Context, q queryer, claim int64) (lines []Line, refusals []Refusal, err error) {
	stored, err := rows[ClaimLine](q.Query(ctx, `
		select `+lineColumns+` from claim_line where claim = $1 order by payee`, claim))
	if err != nil {
		return nil, nil, err
	}
	for _, s := range stored {
		line, err := s.line()
		if err != nil {
			return nil, nil, err
		}
		lines = append(lines, line)
		if s.Refused != nil {
			refusals = append(refusals, Refusal{Payee: s.Payee, Reason: *s.Refused})
		}
	}
	return lines, refusals, nil
}

func (s ClaimLine) line() (Line, error) {
	things, err := readThings(s.Things)
	if err != nil {
		return Line{}, fmt.Errorf("claim_line %d: %w", s.ID, err)
	}
	return Line{Payee: s.Payee, Amount: s.Amount, Things: things}, nil
}

// ClaimLines reads some of the lines of a claim, in wire order: at most so many, after so many. host is who asks;
// ErrNotFound: it isn't a claim between us and that host.
func (l *Ledger) ClaimLines(ctx context.Context, iri, host string, after int64, most int) (Claim, []Line, error) {
	c, err := l.Claim(ctx, iri)
	if err == nil && c.Host != host {
		err = ErrNotFound
	}
	if err != nil {
		return c, nil, err
	}
	stored, err := rows[ClaimLine](l.pool.Query(ctx, `
		select `+lineColumns+` from claim_line where claim = $1 order by payee offset $2 limit $3`, c.ID, after, most))
	lines := make([]Line, 0, len(stored))
	for _, s := range stored {
		line, err := s.line()
		if err != nil {
			return c, nil, err
		}
		lines = append(lines, line)
	}
	return c, lines, err
}

// remindClaims tells again, once a day, what nobody has answered: whoever has taken a claim's first message
// may have lost it, or not have had all of its lines yet.
func (l *Ledger) remindClaims(ctx context.Context) error {
	return l.tx(ctx, func(tx *Tx) error {
		found, err := tx.Query(ctx, `
			update claim c set reminded_at = $1 from peer p
			where p.id = c.peer and c.direction = 'out' and c.state = 'offered'
			  and coalesce(c.reminded_at, c.created_at) <= $1::timestamptz - interval '1 day'
			returning c.iri, p.host`, tx.at)
		if err != nil {
			return err
		}
		var iri, host string
		_, err = pgx.ForEachRow(found, []any{&iri, &host}, func() error {
			tx.tell(Message{Kind: TellClaim, Key: iri, To: host})
			return nil
		})
		return err
	})
}

// insertClaim stores a claim and its lines and returns its id.
func (tx *Tx) insertClaim(ctx context.Context, c Claim, lines []ClaimLine) (int64, error) {
	var id int64
	err := tx.QueryRow(ctx, `
		insert into claim (direction, peer, period, currency, n, iri, amount, line_count, digest, state,
		  answer, content, supersedes, origin, part, adopted, created_at, answered_at, confirmed_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
		  case when $1 = 'out' and $13::bigint is not null then (select coalesce(o.origin, o.id) from claim o where o.id = $13) end,
		  case when $1 = 'out' and not $14 then coalesce((select o.part from claim o where o.id = $13), 0) else 0 end,
		  $14, $15, $16,
		  case when $10 = 'confirmed' then $15::timestamptz end) returning id`,
		c.Direction, c.Peer, c.Period, c.Currency, c.N, c.IRI, c.Amount, c.LineCount, c.Digest, c.State,
		c.Answer, c.Content, c.Supersedes, c.Adopted, tx.at, c.AnsweredAt).Scan(&id)
	if err != nil {
		return 0, err
	}
	for i := range lines {
		lines[i].Claim = id
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"claim_line"}, copiedLines, copyLines(lines))
	return id, err
}

var copiedLines = []string{"claim", "payee", "member", "amount", "things", "refused"}

// copyLines are claims' lines in the order of copiedLines.
func copyLines(claims ...[]ClaimLine) pgx.CopyFromSource {
	row := make([]any, len(copiedLines))
	claim, line := 0, -1
	return pgx.CopyFromFunc(func() ([]any, error) {
		for line++; claim < len(claims) && line == len(claims[claim]); line = 0 {
			claim++
		}
		if claim == len(claims) {
			return nil, nil
		}
		s := claims[claim][line]
		row[0], row[1], row[2], row[3], row[4], row[5] = s.Claim, s.Payee, s.Member, s.Amount, s.Things, s.Refused
		return row, nil
	})
}

// TellUnanswered tells again whatever about money no peer has answered yet.
func (l *Ledger) TellUnanswered(ctx context.Context) error {
	return l.tx(ctx, func(tx *Tx) error {
		told, err := rows[Message](tx.Query(ctx, `
			select $1 as kind, c.iri as key, p.host as "to" from claim c join peer p on p.id = c.peer
			where c.direction = 'out' and c.state = 'offered'
			union all
			select $2, y.iri, p.host from payment y join peer p on p.id = y.peer where y.direction = 'out' and y.state = 'sent'`,
			TellClaim, TellPayment))
		tx.tell(told...)
		return err
	})
}
