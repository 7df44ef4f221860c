package federation

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/fedflattr/flattrd/ledger"
)

// deliverArgs is a message as a job. It names rows and holds no content.
type deliverArgs struct {
	What string `json:"what"`
	Key  string `json:"key"`
	To   string `json:"to"`
}

// Kind is the job's stable name in the queue.
func (deliverArgs) Kind() string { return "deliver" }

// How long a message is worth telling. Likes and answers may give up; what moves money never does
// (protocol §8): River counts attempts in a smallint, and at one a day it takes 90 years to use them up.
const (
	likeAttempts  = 750 // 30 days at one an hour
	moneyAttempts = 32_000
	maxLikeWait   = time.Hour
	maxMoneyWait  = 24 * time.Hour
)

func movesMoney(kind string) bool {
	switch kind {
	case ledger.TellClaim, ledger.TellClaimAnswer, ledger.TellPayment, ledger.TellPaymentAnswer,
		ledger.TellStatement, ledger.TellReturn, ledger.TellSplit, ledger.TellSplitAnswer, ledger.TellSplitWithdrawn, ledger.TellPage:
		return true
	}
	return false
}

// moneyQueue is apart, with workers of its own: whatever else waits, money is told. linesQueue is for fetching the lines
// of claims, which hosts may serve as slowly as they like.
const (
	moneyQueue = "money"
	linesQueue = "lines"
)

// How many deliveries are under way at a time in a process. They mostly wait for others.
const (
	deliverWorkers = 32
	moneyWorkers   = 16
	linesWorkers   = 8
)

// anybodyAsks tells whether a message is the answer to something that anybody may ask, as often as they
// like. Answers about money are asked for by peers, with a proof, and each is told at once: one that waits
// may wait for a day.
func anybodyAsks(kind string) bool {
	switch kind {
	case ledger.TellAccept, ledger.TellTentative, ledger.TellReject, ledger.TellAcceptFollow:
		return true
	}
	return false
}

// Outbox enqueues what the ledger tells, in the ledger's transaction, with River.
type Outbox struct {
	Archive
	client *river.Client[pgx.Tx]
}

// NewOutbox makes an outbox that only inserts; Server.Work is what takes the messages out.
func NewOutbox(pool *pgxpool.Pool, log *slog.Logger) (*Outbox, error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: log})
	return &Outbox{client: client}, err
}

// Enqueue implements ledger.Outbox. A claim, a look at something, or an answer to a Like or Follow, that still waits isn't enqueued again: it will be told once
// after whoever asked has asked. One that is on its way just now may have been rendered, and taken, before
// that, so it is enqueued again, as is one that was told (protocol §4). That is why River's own unique jobs
// don't serve here: they count a running job as waiting. Two transactions at once may both enqueue one,
// which does no harm.
func (o *Outbox) Enqueue(ctx context.Context, tx pgx.Tx, messages ...ledger.Message) error {
	asked := [3][]string{}
	for _, m := range messages {
		if anybodyAsks(m.Kind) || m.Kind == ledger.TellClaim || m.Kind == ledger.TellStatement || m.Kind == ledger.TellReturn || m.Kind == ledger.LookAgain {
			asked[0], asked[1], asked[2] = append(asked[0], m.Kind), append(asked[1], m.Key), append(asked[2], m.To)
		}
	}
	waiting := map[deliverArgs]bool{}
	if len(asked[0]) > 0 {
		found, err := tx.Query(ctx, `
			select a.what, a.key, a.recipient from unnest($1::text[], $2::text[], $3::text[]) a (what, key, recipient)
			where exists (select from river_job j where j.kind = 'deliver'
			  and j.args @> jsonb_build_object('what', a.what, 'key', a.key, 'to', a.recipient)
			  and j.state in ('available', 'pending', 'retryable', 'scheduled'))`, asked[0], asked[1], asked[2])
		if err != nil {
			return err
		}
		var a deliverArgs
		if _, err := pgx.ForEachRow(found, []any{&a.What, &a.Key, &a.To}, func() error { waiting[a] = true; return nil }); err != nil {
			return err
		}
	}
	jobs := make([]river.InsertManyParams, 0, len(messages))
	for _, m := range messages {
		if a := (deliverArgs{What: m.Kind, Key: m.Key, To: m.To}); !waiting[a] {
			jobs = append(jobs, river.InsertManyParams{Args: a, InsertOpts: insertOpts(m.Kind)})
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	_, err := o.client.InsertManyFastTx(ctx, tx, jobs)
	return err
}

func insertOpts(kind string) *river.InsertOpts {
	if movesMoney(kind) {
		return &river.InsertOpts{MaxAttempts: moneyAttempts, Queue: moneyQueue}
	}
	return &river.InsertOpts{MaxAttempts: likeAttempts, Queue: river.QueueDefault}
}

// deliverWorker runs one delivery attempt.
type deliverWorker struct {
	river.WorkerDefaults[deliverArgs]
	s *Server
}

// NextRetry backs off by doubling, with jitter, up to an hour, or a day for money.
func (w *deliverWorker) NextRetry(job *river.Job[deliverArgs]) time.Time {
	limit := maxLikeWait
	if movesMoney(job.Args.What) {
		limit = maxMoneyWait
	}
	wait := min(limit, time.Second<<min(job.Attempt-1, 20))
	return time.Now().Add(wait/2 + rand.N(wait))
}

// Work tells one message. A refusal for good ends the job as cancelled, visible to the operator. A job
// that its host has no place for gives the worker back; River doesn't count that as an attempt.
func (w *deliverWorker) Work(ctx context.Context, job *river.Job[deliverArgs]) error {
	leave, wait := w.s.hosts.enter(recipientHost(job.Args.To), job.ID)
	if leave == nil {
		return river.JobSnooze(wait)
	}
	heard := errUnknown
	defer func() { leave(heard) }()
	v, err := w.s.Deliver(ctx, ledger.Message{Kind: job.Args.What, Key: job.Args.Key, To: job.Args.To})
	var held heldError
	if errors.As(err, &held) {
		heard = nil
		return river.JobSnooze(held.wait())
	}
	heard = err
	switch v {
	case Done:
		return nil
	case Stopped:
		w.s.event(ctx, "deliver.stopped", "kind", job.Args.What, "key", job.Args.Key, "to", job.Args.To, "error", errText(err))
		return river.JobCancel(err)
	}
	if job.Attempt > 3 {
		w.s.event(ctx, "deliver.waiting", "kind", job.Args.What, "key", job.Args.Key, "to", job.Args.To,
			"attempt", job.Attempt, "error", errText(err))
	}
	return err
}

// errUnknown: a delivery that panics says nothing about its host.
var errUnknown = errors.New("unknown")

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Work delivers until ctx ends, and then finishes what is under way.
func (s *Server) Work(ctx context.Context) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &deliverWorker{s: s})
	river.AddWorker(workers, &fetchLinesWorker{s: s})
	p := newPulse(s.pool)
	client, err := river.NewClient(riverpgxv5.New(s.pool), &river.Config{
		ID:     p.client,
		Logger: slog.New(quiet{s.log.Handler()}),
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: deliverWorkers}, moneyQueue: {MaxWorkers: moneyWorkers},
			linesQueue: {MaxWorkers: linesWorkers}},
		FetchPollInterval:    pollEvery,
		Workers:              workers,
		ErrorHandler:         silent{},
		JobTimeout:           attemptTimeout,
		RescueStuckJobsAfter: rescueAfter,
	})
	if err != nil {
		return err
	}
	defer p.end()
	if err := p.beat(ctx); err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	s.keepBeating(ctx, p)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := client.Stop(stop); err != nil {
		return errors.Join(err, client.StopAndCancel(context.WithoutCancel(ctx)))
	}
	return nil
}

// quiet lets River's own log say only what an operator must see: deliveries are logged by us, as
// events with a code.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// silent: a failed attempt is no error of ours.
type silent struct{}

func (silent) HandleError(context.Context, *rivertype.JobRow, error) *river.ErrorHandlerResult {
	return nil
}

func (silent) HandlePanic(_ context.Context, job *rivertype.JobRow, panicked any, trace string) *river.ErrorHandlerResult {
	slog.Error("deliver.panic", "code", "deliver.panic", "job", job.ID, "panic", panicked, "trace", trace)
	return nil
}

// Waiting counts the messages that aren't told yet; those that were refused for good don't wait. newest
// is the last one that was ever enqueued, so that two looks tell whether anything came between them.
func (s *Server) Waiting(ctx context.Context) (n, newest int64, err error) {
	err = s.pool.QueryRow(ctx, `
		select count(*) filter (where kind in ('deliver', 'fetch-lines')
		  and state in ('available', 'pending', 'retryable', 'running', 'scheduled')), coalesce(max(id), 0)
		from river_job`).Scan(&n, &newest)
	return n, newest, err
}
