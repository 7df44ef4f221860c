-- +goose Up

-- owner: ledger
-- A flattr that repeats on the first of each month (protocol §4). months: in how many months in all, the
-- first included; null is until stopped. flattred: in how many it did so far; upto: the last month that was
-- looked at. A month in which it is paused doesn't count.
create table subscription (
  id bigint generated always as identity primary key,
  giver bigint not null references member (id),
  thing bigint not null references thing (id),
  months int check (months in (3, 6, 12)),
  flattred int not null check (flattred > 0 and flattred <= coalesce(months, flattred)),
  upto char(7) not null check (upto ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  state text not null check (state in ('running','paused','ended')),
  ended text check (ended in ('complete','stopped','gone')),   -- gone: the thing, its owner or the giver
  created_at timestamptz not null,
  ended_at timestamptz,
  check ((state = 'ended') = (ended is not null)),
  check ((state = 'ended') = (ended_at is not null)),
  check (ended is distinct from 'complete' or flattred = months)
);
create unique index subscription_once on subscription (giver, thing) where state <> 'ended';
create index subscription_due on subscription (upto, id) where state <> 'ended';
