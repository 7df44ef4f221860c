-- +goose Up

-- How a month's budgets are funded: by money that is reserved, or by a promise that is paid after the month (protocol
-- §7, pledge mode). A month has the policy that was in force when it opened.
alter table instance add column funding text not null default 'prepaid' check (funding in ('prepaid','pledge'));
alter table month add column funding text not null default 'prepaid' check (funding in ('prepaid','pledge'));
alter table month alter column funding drop default;

-- owner: ledger
-- What a member promises to give in a month. It moves nothing. Collected: the member's means covered it, and a
-- reservation holds it for one part of the month's settlement. Unused: no flattr took a share. Void: it wasn't paid in
-- time, or its member left.
create table pledge (
  period char(7) not null references month (period),
  member bigint not null references member (id),
  amount bigint not null check (amount > 0 and amount % 10000 = 0),
  state text not null check (state in ('promised','collected','unused','void')),
  part int,                                -- of the settlement that it is in: see collection
  reservation bigint unique references reservation (id),
  created_at timestamptz not null,
  decided_at timestamptz,
  primary key (period, member),
  check ((state = 'promised') = (decided_at is null)),
  check ((state = 'collected') = (part is not null)),
  check ((state = 'collected') = (reservation is not null))
);
create index pledge_promised on pledge (member) where state = 'promised';
-- +goose StatementBegin
create function pledge_kept() returns trigger language plpgsql as $$
begin
  if (new.period, new.member, new.created_at) is distinct from (old.period, old.member, old.created_at)
    or old.state <> 'promised' or new.amount < old.amount
    or new.amount <> old.amount and (select m.state <> 'open' from month m where m.period = old.period) then
    raise exception 'pledge: it only grows, in its month, and is decided once' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;
-- +goose StatementEnd
create trigger pledge_changed before update on pledge for each row execute function pledge_kept();
create trigger pledge_deleted before delete on pledge for each row execute function refuse_change();
create trigger pledge_emptied before truncate on pledge for each statement execute function refuse_change();

-- owner: ledger
-- The parts of a pledge month's settlement: 0 is what came in time, the others supplement it, and after the last what
-- is open is void. Each has claims and earnings of its own. What a part is split from doesn't change after created_at.
create table collection (
  period char(7) not null references month (period),
  part int not null check (part between 0 and 3),
  givers bigint not null check (givers >= 0),   -- whose pledges were collected
  amount bigint not null check (amount >= 0),   -- of these
  open bigint not null check (open >= 0),       -- of those that were promised then and not collected
  digest text not null check (digest ~ '^[0-9a-f]{64}$'), -- SHA-256 of who promised how much, whatever came of it
  created_at timestamptz not null,
  settled_at timestamptz,
  primary key (period, part)
);
create trigger collection_changed before update on collection for each row
  when (old.settled_at is not null or (new.period, new.part, new.givers, new.amount, new.open, new.digest, new.created_at)
    is distinct from (old.period, old.part, old.givers, old.amount, old.open, old.digest, old.created_at))
  execute function refuse_change();
create trigger collection_deleted before delete on collection for each row execute function refuse_change();
create trigger collection_emptied before truncate on collection for each statement execute function refuse_change();

-- The part of the settlement that they are of. A claim that came back after a restore was settled otherwise.
alter table earning add column part int not null default 0 check (part >= 0);
alter table earning drop constraint earning_period_member_key;
alter table earning add unique (period, member, part);
alter table claim add column part int not null default 0 check (part >= 0);
alter table claim add check (part = 0 or direction = 'out' and not adopted);
