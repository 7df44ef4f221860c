//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// crashStages are the rest of the month. Each begins and ends when nobody has anything left to tell.
var crashStages = []crashStage{
	{"close", "closed", (*lane).closed},
	{"settle", "settled", (*lane).settled},
	{"pay", "settled", (*lane).paid},
}

type crashStage struct {
	name  string
	state string // of the month, in the end
	play  func(*lane) error
}

// play plays the stages from a given one on.
func (l *lane) play(from string) error {
	on := false
	for _, s := range crashStages {
		if on = on || s.name == from; !on {
			continue
		}
		if err := l.playBusy(s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// closed: the processes close the month by themselves, answers become final, and judy leaves.
func (l *lane) closed() error {
	if err := l.await("closed"); err != nil {
		return err
	}
	return l.persist(func(ctx context.Context) error {
		judy, err := l.login(ctx, "judy", "c")
		if err != nil || judy == nil {
			return err // the account is deleted already
		}
		if err := judy.open(ctx, judy.base+"/settings/delete"); err != nil {
			return err
		}
		return judy.submit(ctx, "/settings/delete", map[string]string{"password": playPassword})
	})
}

// settled: grace ends, the processes settle and claim by themselves.
func (l *lane) settled() error {
	if err := l.turn(l.ahead + 24*time.Hour + time.Minute); err != nil {
		return err
	}
	return l.await("settled")
}

// paid: every operator pays what is owed, and confirms what arrived.
func (l *lane) paid() error {
	if err := l.await("settled"); err != nil {
		return err
	}
	if err := l.eachOperator(l.pay); err != nil {
		return err
	}
	if err := l.await("settled"); err != nil {
		return err
	}
	if err := l.eachOperator(l.confirm); err != nil {
		return err
	}
	return l.await("settled")
}

// login returns nil for who can't log in.
func (l *lane) login(ctx context.Context, name, letter string) (*person, error) {
	p := &person{l.browser(), name, letter, "http://" + worldHost(letter, l.port)}
	if err := p.open(ctx, p.base+"/login"); err != nil {
		return nil, err
	}
	err := p.submit(ctx, "/login", map[string]string{"name": name, "password": playPassword})
	if err != nil && !unanswered(err) {
		return nil, nil
	}
	return p, err
}

// eachOperator is what the three do at the same time.
func (l *lane) eachOperator(do func(context.Context, *person) error) error {
	all := make([]error, len(worldInstances))
	var operators sync.WaitGroup
	for k, i := range worldInstances {
		operators.Go(func() {
			all[k] = l.persist(func(ctx context.Context) error {
				op, err := l.login(ctx, "op", i.letter)
				if err == nil && op == nil {
					err = errors.New("op can't log in")
				}
				if err == nil {
					err = do(ctx, op)
				}
				return err
			}, reconciling)
		})
	}
	operators.Wait()
	return errors.Join(all...)
}

// persist is a person whom the server didn't answer, or told to wait: who tries again, from the start, looking at
// what is there.
func (l *lane) persist(do func(context.Context) error, passing ...func(error) bool) error {
	passing = append(passing, unanswered)
	for {
		err := do(l.ctx)
		switch {
		case context.Cause(l.ctx) != nil:
			return errors.Join(context.Cause(l.ctx), err)
		case !slices.ContainsFunc(passing, func(is func(error) bool) bool { return is(err) }):
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// reconciling: an instance that has just started signs nothing before it has compared statements with that peer, and
// tells its operator so.
func reconciling(err error) bool {
	var fault *pageError
	return errors.As(err, &fault) && fault.status == http.StatusUnprocessableEntity &&
		strings.Contains(fault.fault, "Statements are compared")
}

// unanswered: the process or its database was killed meanwhile.
func unanswered(err error) bool {
	var noAnswer *url.Error
	var fault *pageError
	return errors.As(err, &noAnswer) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &fault) && fault.status >= 500
}

// pay orders and reports the payment to each peer that the page doesn't show already.
func (l *lane) pay(ctx context.Context, op *person) error {
	for _, i := range worldInstances {
		if i.letter == op.letter {
			continue
		}
		if err := l.payOne(ctx, op, worldHost(i.letter, l.port)); err != nil {
			return fmt.Errorf("%s pays %s: %w", op.letter, i.letter, err)
		}
	}
	return nil
}

func (l *lane) payOne(ctx context.Context, op *person, host string) error {
	if err := op.open(ctx, op.base+"/admin/peers"); err != nil {
		return err
	}
	if err := op.submit(ctx, "/admin/peers/threshold", map[string]string{"host": host, "threshold": "0.01"}); err != nil {
		return err
	}
	if err := op.open(ctx, op.base+"/admin/payments"); err != nil {
		return err
	}
	due := op.doc.Find("form[action='/admin/payments'] input[name=host][value='"+host+"']").Length() > 0
	if due || op.payment(host).Length() == 0 { // of an earlier month there may be one
		if err := op.submit(ctx, "/admin/payments", map[string]string{"host": host}); err != nil {
			return err
		}
	}
	sent := op.payment(host).Find("form[action$='/sent']")
	if sent.Length() == 0 {
		return nil
	}
	return op.submit(ctx, sent.AttrOr("action", ""), nil)
}

// payment is what the page shows of an outgoing payment to a host.
func (p *person) payment(host string) *goquery.Selection {
	return p.doc.Find("section[aria-labelledby=out] li").FilterFunction(func(_ int, card *goquery.Selection) bool {
		return card.Find("strong").First().Text() == host
	})
}

// confirm confirms, one after the other, what the page shows as announced.
func (l *lane) confirm(ctx context.Context, op *person) error {
	for {
		if err := op.open(ctx, op.base+"/admin/payments"); err != nil {
			return err
		}
		received := op.doc.Find("form[action$='/received']").First()
		if received.Length() == 0 {
			return nil
		}
		if err := op.submit(ctx, received.AttrOr("action", ""), nil); err != nil {
			return err
		}
	}
}
