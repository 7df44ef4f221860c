-- +goose Up

-- owner: ledger
-- A version of how what a thing gets is divided among its authors (protocol §3). A thing of ours: proposed by its
-- owner, and consented once everybody in it and in the version before has consented; from the next first of a month,
-- its period, it is in force. Another's: what its home has asked our members, or what its Page says.
create table thing_split (
  id bigint generated always as identity primary key,
  thing bigint not null references thing (id),
  version int not null check (version > 0),
  iri text not null unique,
  state text not null check (state in ('proposed','consented','refused','withdrawn')),
  period char(7) check (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),  -- from this month on
  created_at timestamptz not null,
  decided_at timestamptz,
  check ((state = 'consented') = (period is not null)),
  check ((state = 'proposed') = (decided_at is null)),
  unique (thing, version)
);
create trigger thing_split_kept before delete on thing_split for each row execute function refuse_change();
create trigger thing_split_emptied before truncate on thing_split for each statement execute function refuse_change();
-- What is decided stays.
create trigger thing_split_decided before update on thing_split for each row
  when (old.state <> 'proposed' or (new.id, new.thing, new.version, new.iri, new.created_at)
    is distinct from (old.id, old.thing, old.version, old.iri, old.created_at))
  execute function refuse_change();

-- owner: ledger
-- An author in a version. weight 0: gets nothing in it, but did in the version before, and is asked therefore.
create table thing_split_part (
  id bigint generated always as identity primary key,
  split bigint not null references thing_split (id),
  payee text not null,                     -- actor
  payee_name text not null,
  member bigint references member (id),
  peer bigint references peer (id),        -- the payee's instance, when not ours
  weight int not null check (weight between 0 and 1000000),
  state text not null check (state in ('asked','consented','refused')),
  answered_at timestamptz,
  check ((member is null) = (peer is not null)),
  check ((state = 'asked') = (answered_at is null)),
  unique (split, payee)
);
create index thing_split_part_member on thing_split_part (member) where member is not null;
create trigger thing_split_part_kept before delete on thing_split_part for each row execute function refuse_change();
create trigger thing_split_part_emptied before truncate on thing_split_part for each statement execute function refuse_change();
-- An answer is given once.
create trigger thing_split_part_answered before update on thing_split_part for each row
  when (old.state <> 'asked' or (new.id, new.split, new.payee, new.member, new.peer, new.weight)
    is distinct from (old.id, old.split, old.payee, old.member, old.peer, old.weight))
  execute function refuse_change();

-- owner: ledger
-- What each payee's home answers to a flattr on a co-authored thing; the flattr's own state is what these come to.
-- Only those with a weight are asked. expired: no answer after the third carry, which counts as refused.
create table flattr_part (
  id bigint generated always as identity primary key,
  flattr uuid not null,
  part bigint not null references thing_split_part (id),
  period char(7) not null references month (period),
  giver bigint not null references member (id),
  state text not null check (state in ('sent','held','accepted','rejected','expired')),
  reason text,
  answered_at timestamptz,
  check ((state = 'rejected') = (reason is not null)),
  check ((state = 'sent') = (answered_at is null)),
  unique (flattr, part)
);
comment on column flattr_part.flattr is 'references flattr (id), by check: a foreign key would hold up each new partition';
create index flattr_part_month on flattr_part (period, giver);

-- owner: ledger
-- What a settled share of a co-authored thing gives each author who takes it: by weight, and all of it.
create table share_part (
  id bigint generated always as identity primary key,
  giver bigint not null references member (id),
  thing bigint not null references thing (id),
  period char(7) not null references month (period),
  part bigint not null references thing_split_part (id),
  amount bigint not null check (amount >= 0),
  unique (giver, thing, period, part)
);
create index share_part_part on share_part (part);
create trigger share_part_immutable before update or delete on share_part for each row execute function refuse_change();
create trigger share_part_kept before truncate on share_part for each statement execute function refuse_change();

-- Money comes back at most once per (share, payee).
alter table share_return add column part bigint references thing_split_part (id);
alter table share_return drop constraint share_return_giver_thing_period_key;
alter table share_return add constraint share_return_once unique nulls not distinct (giver, thing, period, part);

-- A line for (payee, split version).
alter table claim_line add column split int check (split > 0);

-- owner: ledger
-- What we answer to a Like on a co-authored thing for each of our members in it; the received flattr's own answer is
-- what these come to.
create table received_part (
  id bigint generated always as identity primary key,
  flattr text not null,                    -- the Like's id
  part bigint not null references thing_split_part (id),
  member bigint not null references member (id),
  period char(7) not null,
  answer text not null check (answer in ('accept','tentative','reject')),
  reason text,
  answered_at timestamptz,
  check ((answer = 'reject') = (reason is not null)),
  check ((answer = 'tentative') = (answered_at is null)),
  unique (flattr, part)
);
create index received_part_member on received_part (member, period);
