-- +goose Up

-- For how many months a flattr waits for somebody who can be paid.
alter table instance add column unclaimed_months int not null default 12 check (unclaimed_months between 1 and 120);
alter table instance alter column unclaimed_months drop default;

-- owner: ledger
-- What can be flattred although nobody is known who could be paid for it (protocol §5.3): a page or post whose author is
-- on no flattr instance, or a button whose home takes none of our currency. No row of flattr refers to it, so no
-- budget can.
create table unclaimed_thing (
  id bigint generated always as identity primary key,
  iri text not null unique check (length(iri) between 1 and 2048), -- the page's canonical address, or the object's id
  url text not null check (length(url) between 1 and 2048),
  title text not null,
  site text not null,                      -- url's host
  author text not null default '',         -- the author's actor, if one is known
  author_name text not null default '',
  handle text not null default '',         -- the author's, name@host in lower case
  payable bigint references thing (id),    -- while what waits is turned into flattrs of this
  look_at timestamptz,                     -- when to look again; null: nothing waits
  looked_at timestamptz,
  looks int not null default 0 check (looks >= 0),
  created_at timestamptz not null
);
create index unclaimed_thing_url on unclaimed_thing (url);
create index unclaimed_thing_site on unclaimed_thing (site);
create index unclaimed_thing_author on unclaimed_thing (author) where author <> '';
create index unclaimed_thing_handle on unclaimed_thing (handle) where handle <> '';
create index unclaimed_thing_look on unclaimed_thing (look_at) where look_at is not null;
create index unclaimed_thing_payable on unclaimed_thing (id) where payable is not null;

-- owner: ledger
-- A click that waits for somebody who can be paid: it belongs to no month and takes no share. It ends once.
create table unclaimed_flattr (
  id uuid primary key,
  giver bigint not null references member (id),
  thing bigint not null references unclaimed_thing (id),
  state text not null check (state in ('unclaimed','undone','carried','expired')),
  made_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  flattr uuid,                             -- that it became, or the fresh click that absorbed it
  check ((state = 'unclaimed') = (ended_at is null)),
  check ((state = 'carried') = (flattr is not null)),
  check (expires_at > made_at),
  check (ended_at >= made_at),
  check (state <> 'expired' or ended_at >= expires_at)
);
create unique index unclaimed_flattr_once on unclaimed_flattr (thing, giver) where state = 'unclaimed';
create index unclaimed_flattr_giver on unclaimed_flattr (giver, made_at);
create index unclaimed_flattr_expires on unclaimed_flattr (expires_at) where state = 'unclaimed';
create index unclaimed_flattr_flattr on unclaimed_flattr (flattr) where flattr is not null;
create trigger unclaimed_flattr_ended before update on unclaimed_flattr for each row
  when (old.state <> 'unclaimed' or (new.id, new.giver, new.thing, new.made_at, new.expires_at)
    is distinct from (old.id, old.giver, old.thing, old.made_at, old.expires_at))
  execute function refuse_change();
create trigger unclaimed_flattr_kept before delete on unclaimed_flattr
  for each row execute function refuse_change();
create trigger unclaimed_flattr_emptied before truncate on unclaimed_flattr
  for each statement execute function refuse_change();
