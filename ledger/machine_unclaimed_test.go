package ledger_test

import (
	"context"

	"pgregory.net/rapid"

	"github.com/fedflattr/flattrd/ledger"
)

// unclaimed is a button before its giver's home can pay for it: its page, or the button itself.
func (w *world) unclaimed(t *rapid.T, p person) (thing, ledger.UnclaimedThing) {
	what := rapid.SampledFrom(w.things).Draw(t, "thing")
	iri := what.home.URL
	if p.i != what.of.i && rapid.Bool().Draw(t, "button") {
		iri = what.home.IRI
	}
	u, err := p.i.SaveUnclaimed(context.Background(), ledger.UnclaimedThing{IRI: iri, URL: what.home.URL, Title: what.home.Title})
	done(t, err)
	return what, u
}

func (w *world) wait(t *rapid.T) {
	p := w.person(t)
	_, u := w.unclaimed(t, p)
	f, _, err := p.i.FlattrUnclaimed(context.Background(), p.ID, u.ID)
	if err == nil {
		w.clicks = append(w.clicks, click{p, f.ID})
	}
	done(t, err, ledger.ErrNotFound)
}

func (w *world) payable(t *rapid.T) {
	ctx, p := context.Background(), w.person(t)
	what, u := w.unclaimed(t, p)
	here := what.home
	if p.i != what.of.i {
		var err error
		here, err = p.i.SaveThing(ctx, ledger.RemoteThing{IRI: what.home.IRI, URL: what.home.URL, Title: what.home.Title,
			Payee: what.home.Payee, PayeeName: what.home.PayeeName, Host: what.of.i.Instance().Host})
		done(t, err)
	}
	done(t, p.i.Payable(ctx, u.ID, here.ID), ledger.ErrRefused)
}
