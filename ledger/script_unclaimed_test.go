package ledger_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
)

// page is the address of what will be a button's: bob@b.example/1 is for https://blog.example/bob/1.
func page(what string) string { return "https://blog.example/" + name(what) + "/" + slug(what) }

// unclaimed plays what happens to clicks that wait: on a page ("bob@b.example/1", whoever will have the button), or on a
// button whose home takes no euros ("button:bob@b.example/1").
func (s *scene) unclaimed(w []string) error {
	ctx, i := context.Background(), s.at(w[1])
	u, err := s.unclaimedThing(w[1], w[2])
	if err != nil {
		return err
	}
	switch w[0] {
	case "payable":
		thing, err := s.thing(w[1], cmp.Or(strings.Join(w[3:], ""), w[2]))
		if err != nil {
			return err
		}
		return i.Payable(ctx, u.ID, thing.ID)
	case "take-back":
		f, err := i.MyUnclaimedOn(ctx, s.members[w[1]].ID, u.ID)
		if err != nil {
			return err
		}
		return i.UndoFlattr(ctx, f.Giver, f.ID)
	}
	_, again, err := i.FlattrUnclaimed(ctx, s.members[w[1]].ID, u.ID)
	if err == nil && again != (w[0] == "wait-again") {
		return fmt.Errorf("%s: again is %v", w[2], again)
	}
	return err
}

func (s *scene) unclaimedThing(by, what string) (ledger.UnclaimedThing, error) {
	iri := page(what)
	if button, ok := strings.CutPrefix(what, "button:"); ok {
		iri = s.things[button]
	}
	return s.at(by).SaveUnclaimed(context.Background(), ledger.UnclaimedThing{IRI: iri, URL: page(strings.TrimPrefix(what, "button:")), Title: what})
}

// waiting tells a giver's waiting and expired clicks, or what an instance tells the public of a page.
func (s *scene) waiting(w []string) (string, error) {
	ctx := context.Background()
	var said []string
	if w[0] == "what-waits" {
		things, all, err := s.post[w[1]].WhatWaits(ctx, ledger.UnclaimedBy{IRI: page(w[2])})
		return fmt.Sprintf("%d for %d things", all, len(things)), err
	}
	all, err := s.at(w[1]).MyUnclaimed(ctx, s.members[w[1]].ID)
	for _, v := range all {
		said = append(said, v.Title+" "+v.State)
	}
	slices.Sort(said)
	return cmp.Or(strings.Join(said, ", "), "nothing"), err
}
