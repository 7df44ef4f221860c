package federation

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/fedflattr/flattrd/federation/signature"
	"github.com/fedflattr/flattrd/federation/vocab"
	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/pair"
)

// pageBytes bounds the lines of a body that we send, with room for all else: it stays under 64 kB
// (protocol §11).
const pageBytes = 56_000

// fits is how many of the lines one body takes; at least one, as the ledger keeps a line below that.
func fits(lines []ledger.Line, room int) (n int) {
	for _, l := range wireLines(lines[:min(len(lines), vocab.MaxInlineLines)]) {
		if room -= int(l.Bytes()) + 1; room < 0 {
			break
		}
		n++
	}
	return max(n, min(len(lines), 1))
}

// claimLines serves a page of a claim's lines to the peer whose claim it is, and to nobody else.
func (s *Server) claimLines(w http.ResponseWriter, r *http.Request) {
	page, err := s.linesPage(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	a, err := as2(vocab.RenderLinesPage(page))
	s.write(w, r, a, err)
}

// agreementLines serves a page of the lines of a claim that has come in to the instance that made it: it may have
// lost them.
func (s *Server) agreementLines(w http.ResponseWriter, r *http.Request) {
	host := chi.URLParam(r, "host")
	key, ok := strings.CutSuffix(chi.URLParam(r, "*"), "/lines")
	page, err := s.pageOf(r, host, s.scheme()+"://"+host+"/claims/"+key)
	if !ok {
		err = ledger.ErrNotFound
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	a, err := as2(vocab.RenderLinesPage(page))
	s.write(w, r, a, err)
}

func (s *Server) linesPage(r *http.Request) (vocab.LinesPage, error) {
	host := chi.URLParam(r, "host")
	n, err := strconv.ParseInt(chi.URLParam(r, "n"), 10, 32)
	if err != nil {
		return vocab.LinesPage{}, ledger.ErrNotFound
	}
	return s.pageOf(r, host, s.inst.ClaimIRI(host, chi.URLParam(r, "period"), chi.URLParam(r, "currency"), int32(n)))
}

// pageOf is the page of a claim's lines that host asks for.
func (s *Server) pageOf(r *http.Request, host, iri string) (vocab.LinesPage, error) {
	ctx := r.Context()
	if err := s.isPeer(r, host); err != nil {
		return vocab.LinesPage{}, err
	}
	after, err := strconv.ParseInt("0"+r.URL.Query().Get("after"), 10, 32)
	if err != nil {
		return vocab.LinesPage{}, refuse(http.StatusBadRequest, "claim.page", "", "after must be a number of lines")
	}
	c, lines, err := s.ledger.ClaimLines(ctx, iri, host, after, vocab.MaxInlineLines)
	if err == nil && len(lines) == 0 {
		err = ledger.ErrNotFound
	}
	return vocab.LinesPage{Claim: iri, Start: after, Total: int64(c.LineCount), Lines: wireLines(lines[:fits(lines, pageBytes)])}, err
}

// isPeer holds a fetch to a peer's instance actor, by its signature.
func (s *Server) isPeer(r *http.Request, host string) error {
	p, err := s.ledger.Peer(r.Context(), host)
	if err != nil || p.Actor == "" {
		return ledger.ErrNotFound
	}
	signed, err := signature.Parse(r, nil, signature.Expect{Scheme: s.scheme(), Host: s.inst.Host, Now: s.ledger.Now()})
	if err != nil {
		return err
	}
	_, err = s.prove(r.Context(), signed, p.Actor)
	return err
}

// linesBack fetches the lines of a claim of ours from the peer that has them, or of the peer's own.
func (s *Server) linesBack(ctx context.Context, p ledger.Peer, c vocab.Claim, ours bool) (all []ledger.Line, err error) {
	var bytes int64
	for int64(len(all)) < c.LineCount {
		address := vocab.PageID(c.ID, int64(len(all)))
		if ours {
			address = fmt.Sprintf("%s/lines?after=%d", s.peerAgreement(p, c.ID), len(all))
		}
		doc, err := s.client.FetchAS2(ctx, address)
		if err != nil {
			return nil, err
		}
		page, err := vocab.ParseLinesPage(doc)
		if err != nil {
			return nil, err
		}
		if page.Claim != c.ID || page.Start != int64(len(all)) || page.Total != c.LineCount || len(page.Lines) == 0 {
			return nil, &ledger.ClaimFault{Code: "malformed", Detail: address + " is another page than the offer has there"}
		}
		if bytes += bytesOf(page.Lines); bytes > vocab.MaxLinesBytes(c.LineCount) {
			return nil, tooLong(c)
		}
		all = append(all, ledgerLines(page.Lines)...)
	}
	return all, nil
}

// tooLong: a claim's lines have more bytes than so many lines may have (protocol §8).
func tooLong(c vocab.Claim) error {
	return &ledger.ClaimFault{Code: "malformed", Detail: fmt.Sprintf("%d lines have more than %d bytes", c.LineCount, vocab.MaxLinesBytes(c.LineCount))}
}

func bytesOf(lines []vocab.Line) (n int64) {
	for _, l := range lines {
		n += l.Bytes()
	}
	return n
}

// maxOffersWaiting is of how many claims of one peer the lines are fetched at a time.
const maxOffersWaiting = 8

// awaitLines keeps an offer whose lines stand on pages until they are fetched. What was found wrong with them
// is told when the offer comes again; it is fetched afresh after that.
func (s *Server) awaitLines(ctx context.Context, o ledger.ClaimOffer, body []byte) error {
	var fault *ledger.ClaimFault
	err := s.tx(ctx, func(tx pgx.Tx) error {
		var code, detail string
		err := tx.QueryRow(ctx, `
			delete from offer_waiting where id = $1 and (fault <> '' or content <> $2) returning fault, detail`, o.IRI, o.Content).
			Scan(&code, &detail)
		if err == nil && code != "" {
			fault = &ledger.ClaimFault{Code: code, Detail: detail}
			return nil
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		var waiting int
		if err := tx.QueryRow(ctx, `select count(*) from offer_waiting where host = $1 and id <> $2`, o.Host, o.IRI).Scan(&waiting); err != nil {
			return err
		}
		if waiting >= maxOffersWaiting {
			return refuse(http.StatusServiceUnavailable, "claim.busy", "", "the lines of %d claims of yours are still being fetched", waiting)
		}
		if _, err := tx.Exec(ctx, `
			insert into offer_waiting (id, host, content, body, created_at) values ($1, $2, $3, $4, $5) on conflict do nothing`,
			o.IRI, o.Host, o.Content, string(body), s.ledger.Now()); err != nil {
			return err
		}
		queue, err := s.queue()
		if err != nil {
			return err
		}
		_, err = queue.client.InsertTx(ctx, tx, fetchLinesArgs{Offer: o.IRI, Host: o.Host}, nil)
		return err
	})
	if err == nil && fault != nil {
		return fault
	}
	return err
}

// fetchLinesArgs names an offer whose lines are to be fetched.
type fetchLinesArgs struct {
	Offer string `json:"offer"`
	Host  string `json:"host"`
}

// Kind is the job's stable name in the queue.
func (fetchLinesArgs) Kind() string { return "fetch-lines" }

// InsertOpts: one job for an offer at a time.
func (fetchLinesArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: linesQueue, MaxAttempts: moneyAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true,
		ByState: []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
			rivertype.JobStateRunning, rivertype.JobStateScheduled}}}
}

type fetchLinesWorker struct {
	river.WorkerDefaults[fetchLinesArgs]
	s *Server
}

// linesTimeout ends an attempt, so that a host that serves page after page slowly gives its worker back in between: the
// next claim in the queue is fetched then.
const linesTimeout = 15 * time.Second

// Timeout is an attempt's.
func (*fetchLinesWorker) Timeout(*river.Job[fetchLinesArgs]) time.Duration { return linesTimeout }

// NextRetry backs off like a message about money.
func (w *fetchLinesWorker) NextRetry(job *river.Job[fetchLinesArgs]) time.Time {
	wait := min(maxMoneyWait, time.Second<<min(job.Attempt-1, 20))
	return time.Now().Add(wait/2 + rand.N(wait))
}

// Work fetches pages until an offer is whole. An attempt that fails after some pages goes on soon: only those that
// bring nothing back off.
func (w *fetchLinesWorker) Work(ctx context.Context, job *river.Job[fetchLinesArgs]) error {
	leave, wait := w.s.hosts.enter(job.Args.Host, job.ID)
	if leave == nil {
		return river.JobSnooze(wait)
	}
	fetched, err := w.s.fetchLines(ctx, job.Args.Offer)
	leave(err)
	if err != nil && fetched > 0 {
		w.s.event(ctx, "claim.pages", "claim", job.Args.Offer, "fetched", fetched, "error", err.Error())
		return river.JobSnooze(time.Second)
	}
	return err
}

// offerWaiting is an offer whose lines aren't all here.
type offerWaiting struct {
	claim   vocab.Claim
	host    string
	content string
	body    string
	have    int64 // lines
	bytes   int64 // of these
	since   time.Time
}

// pagesWithin is how long an offer waits for its lines. What had come goes then, and the peer is told when it
// offers the claim again.
const pagesWithin = 7 * 24 * time.Hour

// fetchLines fetches the pages that are missing and then has the ledger take the claim. Each page is kept as it
// comes, so that a cut costs one page at most. fetched is how many pages came.
func (s *Server) fetchLines(ctx context.Context, offer string) (fetched int, err error) {
	w, err := s.offerWaiting(ctx, offer)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil // taken, or found faulty
	}
	for ; err == nil && w.have < w.claim.LineCount; fetched++ {
		err = s.fetchPage(ctx, &w)
	}
	if err == nil {
		err = s.takeWhole(ctx, w)
	}
	var fault *ledger.ClaimFault
	var form *vocab.Fault
	switch {
	case errors.As(err, &fault) && fault.Code == pair.Reconciling: // ours, and it passes
		return fetched, err
	case errors.As(err, &fault):
	case errors.As(err, &form):
		fault = &ledger.ClaimFault{Code: "malformed", Detail: form.Error()}
	case errors.Is(err, ledger.ErrConflict):
		fault = &ledger.ClaimFault{Code: "conflict", Detail: err.Error()}
	case err != nil && s.ledger.Now().Sub(w.since) > pagesWithin:
		fault = &ledger.ClaimFault{Code: "malformed", Detail: fmt.Sprintf("line %d didn't come within a week: %v", w.have+1, err)}
	default:
		return fetched, err
	}
	s.event(ctx, "claim.fault", "claim", offer, "fault", fault.Code, "detail", fault.Detail)
	return fetched, s.keepFault(ctx, offer, fault)
}

// FetchWaiting makes an attempt for every offer whose lines aren't all here, as the queue's workers do in a
// process that serves. It returns the first failure, after all attempts.
func (s *Server) FetchWaiting(ctx context.Context) error {
	found, err := s.pool.Query(ctx, `select id from offer_waiting where fault = '' order by id`)
	if err != nil {
		return err
	}
	offers, err := pgx.CollectRows(found, pgx.RowTo[string])
	for _, offer := range offers {
		_, failed := s.fetchLines(ctx, offer)
		err = cmp.Or(err, failed)
	}
	return err
}

func (s *Server) offerWaiting(ctx context.Context, offer string) (w offerWaiting, err error) {
	if err := s.pool.QueryRow(ctx, `
		select o.host, o.content, o.body, o.created_at, coalesce(p.lines, 0), coalesce(p.bytes, 0)
		from offer_waiting o
		left join (select max(start + lines) as lines, sum(bytes)::bigint as bytes from offer_page where offer = $1) p on true
		where o.id = $1 and o.fault = ''`, offer).Scan(&w.host, &w.content, &w.body, &w.since, &w.have, &w.bytes); err != nil {
		return w, err
	}
	doc, err := vocab.Decode([]byte(w.body))
	if err == nil {
		w.claim, err = vocab.ParseClaim(doc)
	}
	return w, err
}

func (s *Server) fetchPage(ctx context.Context, w *offerWaiting) error {
	address := vocab.PageID(w.claim.ID, w.have)
	doc, err := s.client.FetchAS2(ctx, address)
	if err != nil {
		return err
	}
	page, err := vocab.ParseLinesPage(doc)
	if err != nil {
		return err
	}
	if page.Claim != w.claim.ID || page.Start != w.have || page.Total != w.claim.LineCount {
		return &ledger.ClaimFault{Code: "malformed", Detail: address + " is another page than the offer has there"}
	}
	bytes := bytesOf(page.Lines)
	if w.bytes += bytes; w.bytes > vocab.MaxLinesBytes(w.claim.LineCount) {
		return tooLong(w.claim)
	}
	lines, err := json.Marshal(page.Lines)
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, `
		insert into offer_page (offer, start, lines, bytes, content) values ($1, $2, $3, $4, $5) on conflict do nothing`,
		w.claim.ID, page.Start, len(page.Lines), bytes, string(lines))
	w.have += int64(len(page.Lines))
	return err
}

// takeWhole puts the pages together and has the ledger judge and book the claim as if it had come whole.
func (s *Server) takeWhole(ctx context.Context, w offerWaiting) error {
	found, err := s.pool.Query(ctx, `select content from offer_page where offer = $1 order by start`, w.claim.ID)
	if err != nil {
		return err
	}
	all := make([]ledger.Line, 0, w.claim.LineCount)
	var text string
	if _, err := pgx.ForEachRow(found, []any{&text}, func() error {
		var lines []vocab.Line
		err := json.Unmarshal([]byte(text), &lines)
		all = append(all, ledgerLines(lines)...)
		return err
	}); err != nil {
		return err
	}
	p, err := s.ledger.Peer(ctx, w.host)
	if err != nil {
		return err
	}
	o, err := s.offerOf(w.claim, p, w.content)
	if err != nil {
		return err
	}
	o.Lines, o.Document = all, []byte(w.body)
	for try := 1; ; try++ {
		if err = s.ledger.ReceiveClaim(ctx, o); !ledger.GaveWay(err) || try == ledger.MaxTries {
			break
		}
	}
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, `delete from offer_waiting where id = $1`, w.claim.ID)
	return err
}

// keepFault forgets the pages of a faulty claim; the peer learns what was wrong when it offers it again.
func (s *Server) keepFault(ctx context.Context, offer string, f *ledger.ClaimFault) error {
	return s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `delete from offer_page where offer = $1`, offer); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `update offer_waiting set fault = $2, detail = $3 where id = $1`, offer, f.Code, f.Detail)
		return err
	})
}

// offerOf is what the ledger judges of an offer, less the lines.
func (s *Server) offerOf(c vocab.Claim, p ledger.Peer, content string) (ledger.ClaimOffer, error) {
	n, err := s.claimNumber(c, p)
	return ledger.ClaimOffer{IRI: c.ID, Host: p.Host, Period: c.Period, Currency: c.AssetCode, N: n, Amount: c.Amount,
		LineCount: int32(c.LineCount), Digest: c.Digest, Content: content, Supersedes: c.Supersedes}, err
}
