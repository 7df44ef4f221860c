package ledgertest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
)

// carrySplit carries what instances tell each other of a thing's authors.
func carrySplit(ctx context.Context, from, to *Instance, m ledger.Message) error {
	if m.Kind == ledger.TellPage {
		r, err := Page(ctx, from, from.Instance().ButtonIRI(m.Key))
		if err != nil {
			return err
		}
		_, err = to.SaveThing(ctx, r)
		return err
	}
	iri, payee, _ := strings.Cut(m.Key, " ")
	if m.Kind == ledger.TellSplitWithdrawn {
		return to.SplitTakenBack(ctx, iri, from.Instance().Host)
	}
	v, err := from.SplitByIRI(ctx, iri)
	if err != nil {
		return err
	}
	if m.Kind == ledger.TellSplitAnswer {
		at := slices.IndexFunc(v.Parts, func(p ledger.SplitPart) bool { return p.Payee == payee })
		return to.SplitAnswered(ctx, ledger.SplitAnswer{IRI: iri, Host: from.Instance().Host, Payee: payee, Consent: v.Parts[at].State == ledger.PartConsented})
	}
	t, err := from.Thing(ctx, v.Thing)
	r, failed := Page(ctx, from, t.IRI)
	r.Splits = nil
	return errors.Join(err, failed, to.ReceiveSplit(ctx, ledger.SplitOffer{IRI: iri, Host: from.Instance().Host, Thing: r, Version: v.Version,
		Authors: authorsOf(v)}))
}

// Page is what a thing's home tells of it.
func Page(ctx context.Context, i *Instance, iri string) (ledger.RemoteThing, error) {
	t, err := i.ThingByIRI(ctx, iri)
	if err != nil {
		return ledger.RemoteThing{}, err
	}
	r := ledger.RemoteThing{IRI: t.IRI, URL: t.URL, Title: t.Title, Payee: t.Payee, PayeeName: t.PayeeName, Host: i.Instance().Host}
	all, err := i.Splits(ctx, t.ID)
	for _, v := range all {
		if v.State == ledger.SplitConsented {
			r.Splits = append(r.Splits, ledger.ToldSplit{IRI: v.IRI, Version: v.Version, Period: *v.Period, Authors: authorsOf(v)})
		}
	}
	return r, err
}

func authorsOf(v ledger.SplitVersion) (all []ledger.Author) {
	for _, p := range v.Parts {
		all = append(all, ledger.Author{Payee: p.Payee, Name: p.PayeeName, Weight: p.Weight})
	}
	return all
}
