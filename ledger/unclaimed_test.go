package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// pageOf is an unclaimed thing: the page of what is, or will be, a button of ledgertest's.
func pageOf(t testing.TB, i *ledgertest.Instance, url string) ledger.UnclaimedThing {
	t.Helper()
	u, err := i.SaveUnclaimed(context.Background(), ledger.UnclaimedThing{IRI: url, URL: url, Title: "a page", Handle: "jo@social.example"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// looks are the things that an instance wants looked at.
func looks(t testing.TB, i *ledgertest.Instance) (all []string) {
	t.Helper()
	for _, m := range i.Outbox.Take(t) {
		if m.Kind == ledger.LookAgain {
			all = append(all, m.Key+" at "+m.To)
		}
	}
	return all
}

// TestLooksGetSeldom: a thing is looked at while something waits for it, a day after the click, then after 2, 4, 8, 16
// and 30 days and every 30 days; a tick more often doesn't look more often, and without anything that waits nobody looks.
func TestLooksGetSeldom(t *testing.T) {
	t.Parallel()
	i, ctx := ledgertest.New(t), context.Background()
	alice := i.Join("alice")
	u, idle := pageOf(t, i, "https://blog.example/bob/1"), pageOf(t, i, "https://blog.example/bob/2")
	f, _, err := i.FlattrUnclaimed(ctx, alice.ID, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	var days []int
	for day := range 120 {
		i.Clock.Set(ledgertest.Start.AddDate(0, 0, day))
		for range 2 {
			if err := i.Tick(ctx); err != nil {
				t.Fatal(err)
			}
			for _, said := range looks(t, i) {
				if want := fmt.Sprintf("%d at blog.example", u.ID); said != want {
					t.Errorf("day %d: looks at %s, not at %s (nothing waits for %d)", day, said, want, idle.ID)
				}
				days = append(days, day)
			}
		}
	}
	if got := fmt.Sprint(days); got != "[1 3 7 15 31 61 91]" {
		t.Errorf("looked on days %s", got)
	}
	if err := i.UndoFlattr(ctx, alice.ID, f.ID); err != nil {
		t.Fatal(err)
	}
	i.Clock.Set(ledgertest.Start.AddDate(0, 0, 122))
	if err := i.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	if said := looks(t, i); len(said) > 0 {
		t.Errorf("nothing waits, and yet: %v", said)
	}
}

// TestLooksWhenAButtonIsMade: at once, within an hour again, and when its owner asks, but not every time within a minute.
func TestLooksWhenAButtonIsMade(t *testing.T) {
	t.Parallel()
	i, ctx := ledgertest.New(t), context.Background()
	alice, bob := i.Join("alice"), i.Join("bob")
	u := pageOf(t, i, "https://blog.example/bob/1")
	if _, _, err := i.FlattrUnclaimed(ctx, alice.ID, u.ID); err != nil {
		t.Fatal(err)
	}
	b, _ := i.Button(bob, "1")
	i.Button(bob, "2")
	if said := looks(t, i); len(said) != 1 {
		t.Errorf("when the button is made: %v", said)
	}
	ask := func(after time.Duration, want int) {
		t.Helper()
		i.Clock.Set(i.Clock.Now().Add(after))
		if err := i.LookForButton(ctx, bob.ID, b.ID); err != nil {
			t.Fatal(err)
		}
		if said := looks(t, i); len(said) != want {
			t.Errorf("asked after %s: %v, want %d", after, said, want)
		}
	}
	ask(time.Second, 0)
	ask(time.Minute, 1)
	ask(59*time.Second, 0)
	if err := i.LookForButton(ctx, alice.ID, b.ID); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("somebody else's: %v", err)
	}
	i.Clock.Set(i.Clock.Now().Add(time.Hour))
	if err := i.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	if said := looks(t, i); len(said) != 1 {
		t.Errorf("an hour later: %v", said)
	}
	if n, err := i.WaitingForURL(ctx, b.URL); err != nil || n != 1 {
		t.Errorf("%d wait, %v", n, err)
	}
}

// TestPayableAtOnce: several processes turn what waits while the givers click, take back and leave. Each giver ends with
// one flattr of the month at most, and nothing is left that waits for the thing but what came after.
func TestPayableAtOnce(t *testing.T) {
	t.Parallel()
	i, ctx := ledgertest.New(t), context.Background()
	bob := i.Join("bob")
	_, thing := i.Button(bob, "1")
	u := pageOf(t, i, thing.URL)
	const givers = 620 // more than one piece
	if _, err := i.Pool.Exec(ctx, `
		insert into member (name, display_name, password_hash, language, role, created_at)
		select 'giver' || n, 'giver', 'x', 'en', 'member', $2 from generate_series(1, $1::int) n`, givers, i.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	all := ledgertest.Collect[int64](t, i.Pool, `select id from member where name like 'giver%' order by id`)
	waits := map[int64]uuid.UUID{}
	for _, giver := range all {
		f, _, err := i.FlattrUnclaimed(ctx, giver, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		waits[giver] = f.ID
	}
	atOnce(24, func(n int) {
		var err error
		switch giver := all[n*25]; n % 6 {
		case 0, 1:
			err = i.Payable(ctx, u.ID, thing.ID)
		case 2, 3:
			_, _, err = i.Flattr(ctx, giver, thing.ID)
		case 4:
			if err = i.UndoFlattr(ctx, giver, waits[giver]); errors.Is(err, ledger.ErrClosed) {
				err = nil
			}
		case 5:
			err = i.DeleteMember(ctx, giver)
		}
		if err != nil {
			t.Errorf("%d: %v", n, err)
		}
	})
	if err := i.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	if left := ledgertest.Collect[int64](t, i.Pool, `select count(*) from unclaimed_flattr where state = 'unclaimed'`)[0]; left > 0 {
		t.Errorf("%d wait on", left)
	}
	if n := ledgertest.Collect[int64](t, i.Pool, `select count(*) from flattr where state = 'unfunded'`)[0]; n < givers-8 || n > givers {
		t.Errorf("%d flattrs of %d givers", n, givers)
	}
}

// TestUnclaimedIsBounded: nobody has more than a thousand waiting.
func TestUnclaimedIsBounded(t *testing.T) {
	t.Parallel()
	i, ctx := ledgertest.New(t), context.Background()
	alice := i.Join("alice")
	if _, err := i.Pool.Exec(ctx, `
		with u as (insert into unclaimed_thing (iri, url, title, site, look_at, created_at)
		  select p, p, p, 'blog.example', $1, $1 from (select 'https://blog.example/' || n from generate_series(1, 1000) n) x (p) returning id)
		insert into unclaimed_flattr (id, giver, thing, state, made_at, expires_at)
		select gen_random_uuid(), $2, id, 'unclaimed', $1, $1 + interval '1 year' from u`, i.Clock.Now(), alice.ID); err != nil {
		t.Fatal(err)
	}
	u := pageOf(t, i, "https://blog.example/one-more")
	field := new(ledger.FieldError)
	if _, _, err := i.FlattrUnclaimed(ctx, alice.ID, u.ID); !errors.As(err, &field) || *field != (ledger.FieldError{Field: "thing", Rule: "too-many"}) {
		t.Errorf("%v", err)
	}
	things, n, err := i.WhatWaits(ctx, ledger.UnclaimedBy{Site: "blog.example"})
	if err != nil || n != 1000 || len(things) != 200 {
		t.Errorf("%d things, %d flattrs, %v", len(things), n, err)
	}
	if _, _, err := i.FlattrUnclaimed(ctx, alice.ID, 1<<40); !errors.Is(err, ledger.ErrRefused) && !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("no such thing: %v", err)
	}
}

// TestUnclaimedTampered: the database refuses what its rules forbid; with them off, check names the row, and the hash is
// another.
func TestUnclaimedTampered(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	i, ctx := m.A, context.Background()
	before, super := digestOf(t, i), ledgertest.Superuser(t, i.Pool)
	const entered, absorbed = `(select w.id from unclaimed_flattr w join flattr f on f.carries = w.id)`,
		`(select w.id from unclaimed_flattr w join flattr f on f.id = w.flattr and f.carries is null)`
	for _, c := range []struct {
		sql            string
		refused, found bool
	}{
		{`update unclaimed_flattr set state = 'unclaimed', ended_at = null, flattr = null where id in ` + entered, true, true},
		{`update unclaimed_flattr set state = 'undone', flattr = null where id in ` + entered, true, true},
		{`update unclaimed_flattr set state = 'undone', flattr = null where id in ` + absorbed, true, false}, // only the hash can know
		{`update unclaimed_flattr set flattr = gen_random_uuid() where id in ` + absorbed, true, true},
		{`update unclaimed_flattr set giver = (select id from member where name = 'axel') where id in ` + absorbed, true, true},
		{`update unclaimed_flattr set thing = (select id from unclaimed_thing where iri like '%nobody') where id in ` + absorbed, true, true},
		{`update unclaimed_flattr set ended_at = ended_at + interval '1 second' where id in ` + entered, true, true},
		{`update unclaimed_flattr set state = 'unclaimed', ended_at = null where state = 'expired'`, true, true}, // nobody looks for it
		{`delete from unclaimed_flattr where id in ` + entered, true, true},
		{`update flattr set carries = null where carries in ` + entered, false, true},
		{`update flattr set carries = gen_random_uuid() where carries in ` + entered, false, true},
		{`update flattr set made_at = made_at + interval '1 year' where id in (select flattr from unclaimed_flattr)`, false, true},
		{`delete from unclaimed_thing where iri like '%anna%'`, true, true},
		{`update unclaimed_thing set look_at = null`, false, true},
	} {
		refusal := new(pgconn.PgError)
		if _, err := i.Pool.Exec(ctx, `begin; `+c.sql+`; rollback`); c.refused != (errors.As(err, &refusal) && strings.HasPrefix(refusal.Code, "23")) {
			t.Errorf("%s: %v", c.sql, err)
		}
		tx, err := super.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if tag, err := tx.Exec(ctx, c.sql); err != nil || tag.RowsAffected() == 0 {
			t.Errorf("%s: %v, %v", c.sql, tag, err)
		}
		found, err := i.CheckTx(ctx, tx)
		if err != nil || c.found != (len(found) > 0) {
			t.Errorf("%s: check finds %v, %v", c.sql, found, err)
		}
		lines, err := i.LinesTx(ctx, tx)
		if err != nil || ledger.Digest(lines, found) == before {
			t.Errorf("%s: the hash is what it was, %v", c.sql, err)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPayableGoesOn: a process that ends between two pieces leaves the rest to the next tick; a thing that was removed
// meanwhile takes nothing, and what waits is looked after as before.
func TestPayableGoesOn(t *testing.T) {
	t.Parallel()
	i, ctx := ledgertest.New(t), context.Background()
	alice, bob := i.Join("alice"), i.Join("bob")
	i.Fund(alice, 1_000_000)
	b, thing := i.Button(bob, "1")
	u := pageOf(t, i, thing.URL)
	state := func(want string) {
		t.Helper()
		if err := i.Tick(ctx); err != nil {
			t.Fatal(err)
		}
		got := ledgertest.Collect[string](t, i.Pool, `select w.state || coalesce(' ' || f.state, '') from unclaimed_flattr w left join flattr f on f.carries = w.id`)[0]
		if left := ledgertest.Collect[int64](t, i.Pool, `select count(*) from unclaimed_thing where payable is not null`)[0]; got != want || left != 0 {
			t.Errorf("%s, want %s; %d things are being turned", got, want, left)
		}
	}
	const interrupted = `update unclaimed_thing set payable = $2 where id = $1`
	_, _, err := i.FlattrUnclaimed(ctx, alice.ID, u.ID)
	if err == nil {
		err = i.RemoveButton(ctx, bob.ID, b.ID)
	}
	if err == nil {
		_, err = i.Pool.Exec(ctx, interrupted, u.ID, thing.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	state("unclaimed")
	i.Button(bob, "1")
	if _, err := i.Pool.Exec(ctx, interrupted, u.ID, thing.ID); err != nil {
		t.Fatal(err)
	}
	state("carried accepted")
	v, err := i.MyMonth(ctx, alice.ID, "")
	if err != nil || len(v.Lines) != 1 || !v.Lines[0].Waited || v.Lines[0].Share != 1_000_000 {
		t.Errorf("%+v, %v", v.Lines, err)
	}
}
