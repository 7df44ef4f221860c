package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestFrozen: once a month's settlement has begun, neither a late answer nor somebody who leaves changes what
// it is split from, also while a crash keeps it from ending. What a crash left of its tables is no hindrance.
func TestFrozen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	i := ledgertest.New(t)
	alice, bob, cleo := i.Join("alice"), i.Join("bob"), i.Join("cleo")
	i.Fund(alice, 1_000_000)
	_, ours := i.Button(bob, "1")
	theirs, err := i.SaveThing(ctx, ledger.RemoteThing{IRI: "https://b.example/buttons/1", URL: "https://blog.example/1", Title: "1",
		Payee: "https://b.example/users/dan", PayeeName: "dan", Host: "b.example"})
	if err != nil {
		t.Fatal(err)
	}
	var late ledger.Flattr
	for _, thing := range []ledger.Thing{ours, theirs} {
		if late, _, err = i.Flattr(ctx, alice.ID, thing.ID); err != nil {
			t.Fatal(err)
		}
	}
	i.Clock.Set(ledger.PeriodEnd("2026-11"))
	if err := i.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	i.Clock.Set(ledger.PeriodEnd("2026-11").Add(24 * time.Hour))
	for _, sql := range []string{ // as a crash in the middle of the settlement leaves it
		`update month set frozen_at = closed_at + interval '1 day' where period = '2026-11'`,
		`insert into settlement (period, stage, givers, done, began_at) values ('2026-11', 'splitting', 7, 3, '2026-12-02')`,
		`create table share_2026_11 (like share)`,
		`create table transfer_2026_11_settlement (like transfer)`,
		`insert into share_2026_11 values ('2026-11', 1, 1, 5)`,
	} {
		if _, err := i.Pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.FlattrAnswered(ctx, ledger.Verdict{Like: i.Instance().FlattrIRI(late.ID.String()), Host: "b.example", Actor: "https://b.example/users/dan", Answer: "accept"}); err != nil {
		t.Errorf("a late answer: %v", err)
	}
	for _, leaver := range []ledger.Member{bob, cleo} {
		if got := kind(i.DeleteMember(ctx, leaver.ID)); got != "month closed" {
			t.Errorf("%s leaves: %s", leaver.Name, got)
		}
	}
	if err := i.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	v, err := i.MyMonth(ctx, alice.ID, "2026-11")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range v.Lines {
		switch {
		case line.IRI == ours.IRI && line.Share != 1_000_000:
			t.Errorf("bob's share: %d", line.Share)
		case line.IRI == theirs.IRI && line.State != ledger.Carried:
			t.Errorf("the flattr that was answered late is %s", line.State)
		}
	}
	all, err := i.Settlements(ctx)
	if err != nil || len(all) != 1 || all[0].Stage != "settled" || all[0].Givers != 1 || all[0].Done != 1 || all[0].Flattrs != 1 ||
		all[0].Amount != 1_000_000 || all[0].Rolled != 0 || all[0].EndedAt == nil {
		t.Errorf("%+v, %v", all, err)
	}
	if err := i.DeleteMember(ctx, cleo.ID); err != nil {
		t.Errorf("cleo leaves afterwards: %v", err)
	}
}

// TestSettlementGivesWay: a publication that PostgreSQL aborts for another's sake is built again from the start, and
// nothing of the first attempt is missing or twice there.
func TestSettlementGivesWay(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	i := ledgertest.New(t)
	alice, bob := i.Join("alice"), i.Join("bob")
	i.Fund(alice, 1_000_000)
	_, thing := i.Button(bob, "1")
	if _, _, err := i.Flattr(ctx, alice.ID, thing.ID); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`create sequence tries`, // which no rollback sets back
		`create function give_way() returns trigger language plpgsql as $$ begin
		   if nextval('tries') < 3 then raise exception 'met another' using errcode = '40P01'; end if;
		   return new; end $$`,
		`create trigger give_way before update on settlement for each row when (new.stage = 'settled') execute function give_way()`,
	} {
		if _, err := i.Pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	i.Clock.Set(ledger.PeriodEnd("2026-11"))
	if err := i.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	i.Clock.Set(ledger.PeriodEnd("2026-11").Add(24 * time.Hour))
	if err := i.SettleMonth(ctx, "2026-11"); err != nil {
		t.Fatal(err)
	}
	if got, err := i.Earned(ctx, bob.ID); err != nil || got.Available != 1_000_000 {
		t.Errorf("%+v, %v", got, err)
	}
	var tries int
	if err := i.Pool.QueryRow(ctx, `select last_value from tries`).Scan(&tries); err != nil || tries != 3 {
		t.Errorf("%d tries, %v", tries, err)
	}
}
