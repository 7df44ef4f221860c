-- +goose Up

-- Amounts are bigint micro-units (10^-6 of the currency's unit), time is always a parameter,
-- states are text with CHECK. Each table names its owner package; a test holds that.

-- Domains, because PostgreSQL prepares a table's CHECK anew for each statement and a domain's once: that was a
-- third of what a transfer takes.
create domain account_kind as text check (value in
  ('bank','means','clearing','payable','receivable','announced','earned','peer_credit','suspense','recovery',
   'advance','loss','cause','fee'));
create domain transfer_kind as text check (value in
  ('deposit','budget','earning','claim','return','line','payment','payment_short',
   'receipt','receipt_excess','allocation','withdrawal','netting','adoption','recovery',
   'advance','repayment','write_off','advance_loss','reinstatement','advance_recovery',
   'reversal','chargeback','loss','refund','donation','payout','fee'));
create domain transfer_phase as text check (value in ('single','pending','post','void'));
create domain transfer_amount as bigint check (value > 0);
create domain account_total as bigint check (value >= 0);

-- owner: ledger/journal
-- One account of the double entry. normal: 'C' credit-normal (we owe it), 'D' debit-normal (we own it),
-- 'B' a suspense account that may stand on either side. Reservations count against the limit.
create table account (
  id bigint generated always as identity primary key,
  kind account_kind not null,
  owner bigint not null,
  currency char(3) not null,
  normal char(1) not null,
  debits_posted account_total not null default 0,
  credits_posted account_total not null default 0,
  debits_pending account_total not null default 0,
  credits_pending account_total not null default 0,
  constraint account_no_overdraft check (case normal
    when 'C' then credits_posted >= debits_posted + debits_pending
    when 'D' then debits_posted >= credits_posted + credits_pending
    else true end),
  unique (kind, owner, currency)
) with (fillfactor = 50);

create sequence transfer_id;

-- owner: ledger/journal
-- One row moves one amount from the debit to the credit account: balanced by construction.
-- A partition per batch: a month's running business ('2026-11'), or the settlement of a month
-- ('2026-11/settlement'; what supplements it: '2026-11/settlement/1'), which is built aside and attached.
create table transfer (
  id bigint not null default nextval('transfer_id'),
  batch text not null,                     -- the partitions are the only ones that there are
  kind transfer_kind not null,
  ref bigint not null,
  phase transfer_phase not null,
  debit_account bigint not null,
  credit_account bigint not null,
  currency char(3) not null,
  amount transfer_amount not null,
  booked_at timestamptz not null,
  constraint transfer_two_accounts check (debit_account <> credit_account),
  primary key (id, batch)
) partition by list (batch);

-- owner: ledger/journal
-- The idempotency key of a transfer: ref is the id of the row that kind's table owns. A reservation is
-- posted or voided once. A settlement's transfers have none: what is theirs is attached once, and
-- a month is settled once.
create table transfer_key (
  kind text not null,
  ref bigint not null,
  phase text not null,
  transfer bigint not null,
  batch text not null,
  primary key (kind, ref, phase)
);
create unique index transfer_key_resolved on transfer_key (kind, ref) where phase in ('post','void');

-- +goose StatementBegin
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% on %: these rows are immutable', tg_op, tg_table_name
    using errcode = 'integrity_constraint_violation';
end $$;
-- +goose StatementEnd
create trigger transfer_immutable before update or delete on transfer
  for each row execute function refuse_change();
create trigger transfer_kept before truncate on transfer
  for each statement execute function refuse_change();
create trigger transfer_key_immutable before update or delete on transfer_key
  for each row execute function refuse_change();
create trigger transfer_key_kept before truncate on transfer_key
  for each statement execute function refuse_change();
create trigger account_kept before delete on account
  for each row execute function refuse_change();
create trigger account_emptied before truncate on account
  for each statement execute function refuse_change();

-- An account stands on its kind's side, its identity is fixed and its posted totals only grow. After the update: a trigger before it would
-- lock each row a second time.
create trigger account_normal after insert on account for each row
  when (new.normal <> case when new.kind in ('bank','receivable','advance','loss') then 'D' when new.kind in ('suspense','recovery') then 'B' else 'C' end)
  execute function refuse_change();
create trigger account_fixed after update of id, kind, owner, currency, normal on account for each row
  when ((new.id, new.kind, new.owner, new.currency, new.normal)
    is distinct from (old.id, old.kind, old.owner, old.currency, old.normal))
  execute function refuse_change();
create trigger account_grows after update on account for each row
  when (new.debits_posted < old.debits_posted or new.credits_posted < old.credits_posted)
  execute function refuse_change();

-- owner: ledger
-- The one row of this database's instance. The host never changes: it is part of every id.
create table instance (
  id int primary key check (id = 1),
  host text not null,
  base_url text not null,
  name text not null,
  currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
  reciprocity text not null check (reciprocity in ('off','required','minimum')),
  grace_seconds int not null check (grace_seconds >= 86400),
  payto text not null default '',          -- RFC 8905: where the others pay to
  created_at timestamptz not null
);

-- owner: ledger
create table invite (
  id bigint generated always as identity primary key,
  code text not null unique,
  created_by bigint,
  note text not null default '',
  uses_left int not null check (uses_left >= 0),
  expires_at timestamptz not null,
  created_at timestamptz not null
);

-- owner: ledger
-- A deleted member keeps its row: names are never given twice, and money facts keep their subject.
create table member (
  id bigint generated always as identity primary key,
  name text not null unique check (name ~ '^[a-z0-9_]{1,30}$'),
  display_name text not null,
  password_hash text not null,
  language text not null check (language in ('de','en')),
  role text not null check (role in ('member','operator')),
  invite bigint references invite (id),
  budget bigint not null default 0 check (budget >= 0),
  epoch int not null default 1,
  created_at timestamptz not null,
  deleted_at timestamptz,
  check (deleted_at is null or password_hash = '')
);
alter table invite add foreign key (created_by) references member (id);

-- owner: ledger
create table peer (
  id bigint generated always as identity primary key,
  host text not null unique,
  actor text not null default '',
  inbox text not null default '',
  accounting_key text not null default '',
  accounting_key_id text not null default '',
  payto text not null default '',          -- RFC 8905: where to pay, as its last Accept said
  key_confirmed_at timestamptz,
  key_confirmed_by bigint references member (id),
  threshold bigint not null default 10000000 check (threshold >= 10000 and threshold % 10000 = 0),
  frozen_at timestamptz,
  frozen_reason text not null default '',
  created_at timestamptz not null,
  check ((frozen_at is null) = (frozen_reason = ''))
);

-- owner: ledger
create table button (
  id text primary key check (id ~ '^[a-z0-9]{8,16}$'),
  owner bigint not null references member (id),
  url text not null,
  title text not null,
  summary text not null default '',
  created_at timestamptz not null,
  removed_at timestamptz,
  unique (owner, url)
);

-- owner: ledger
create table follower (
  member bigint not null references member (id),
  actor text not null,
  follow_id text not null,
  created_at timestamptz not null,
  primary key (member, actor)
);

-- owner: ledger
-- What can be flattred from here: a button of ours, or a remote thing with a proven payee.
create table thing (
  id bigint generated always as identity primary key,
  iri text not null unique,
  url text not null,
  title text not null,
  payee text not null,
  payee_name text not null,
  button text unique references button (id),
  member bigint references member (id),
  peer bigint references peer (id),
  created_at timestamptz not null,
  check ((button is null) = (peer is not null)),
  check ((button is null) = (member is null))
);
create index thing_member on thing (member) where member is not null; -- a payee's statement

-- owner: ledger
-- Months in UTC: open -> closed (grace) -> settled, never back. Exactly one is open.
create table month (
  period char(7) primary key check (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  state text not null check (state in ('open','closed','settled')),
  opened_at timestamptz not null,
  closed_at timestamptz,
  reminded_at timestamptz,                 -- when unanswered Likes were told again in grace
  frozen_at timestamptz,                   -- when settlement began: no answer counts after it
  settled_at timestamptz,
  check ((closed_at is null) = (state = 'open')),
  check (frozen_at is null or state <> 'open'),
  check (state <> 'settled' or frozen_at is not null),
  check ((settled_at is not null) = (state = 'settled'))
);
create unique index month_one_open on month ((true)) where state = 'open';

-- owner: ledger
-- A giver's click on a thing in a month; our members are the only rows here. It carries no amount.
-- A partition per month.
create table flattr (
  id uuid not null,
  giver bigint not null references member (id),
  thing bigint not null references thing (id),
  period char(7) not null references month (period),
  state text not null check (state in
    ('unfunded','sent','held','accepted','rejected','undone','carried','expired')),
  reason text,
  carries uuid,                            -- the flattr of an earlier month that it goes on with
  carry_count int not null default 0 check (carry_count between 0 and 3),
  made_at timestamptz not null,
  answered_at timestamptz,
  undone_at timestamptz,
  check ((state = 'rejected') = (reason is not null)),
  check ((state = 'undone') = (undone_at is not null)),
  check (state not in ('accepted','rejected','held') or answered_at is not null),
  primary key (id, period),
  unique (carries, period)
) partition by list (period);
-- It is unique, lists a giver's month, and is all that settlement reads.
create unique index flattr_once on flattr (period, giver, thing) include (state) where state <> 'undone';
create index flattr_thing on flattr (thing);
-- Those that wait for something: few, and looked for by month.
create index flattr_waiting on flattr (period, giver) where state in ('unfunded','sent','held');

-- owner: ledger
-- A Like that another instance's giver sent us; one row per id, so order and repetition don't matter: what
-- comes for an id is serialised by it. A partition per month, and one for months that aren't ours.
create table received_flattr (
  id text not null,
  giver text not null,
  peer bigint not null references peer (id),
  object text not null,
  button text references button (id),
  member bigint references member (id),
  period char(7) not null,
  carries text,
  answer text not null check (answer in ('accept','tentative','reject')),
  reason text,
  received_at timestamptz not null,
  answered_at timestamptz,
  undone_at timestamptz,
  check ((answer = 'reject') = (reason is not null)),
  check ((answer = 'tentative') = (answered_at is null)),
  primary key (id, period)
) partition by list (period);
create index received_flattr_key on received_flattr (button, period, giver);

-- owner: ledger
-- Likes of months that aren't ours.
create table received_flattr_other partition of received_flattr default;

-- owner: ledger
-- An Undo that came before its Like: the Like, when it arrives, is dead.
create table tombstone (
  digest bytea primary key check (length(digest) = 32), -- SHA-256 of id and actor, which are too long for an index
  id text not null,
  actor text not null,                     -- part of the key: nobody takes another's place
  created_at timestamptz not null
);

-- owner: ledger
-- What a giver's budget holds back for one month: a pending transfer. When the month is settled, it is
-- posted if the giver has shares in it, and rolls over if not. Released: a larger one took its place.
create table reservation (
  id bigint generated always as identity primary key,
  member bigint not null references member (id),
  period char(7) not null references month (period),
  amount bigint not null check (amount > 0),
  state text not null check (state in ('reserved','released')),
  created_at timestamptz not null
);
create unique index reservation_once on reservation (period, member) include (id, amount) where state <> 'released';

-- owner: ledger
-- A month that has just opened, or got money back from a settlement, and whose budgets are being
-- reserved, in order of the members' ids.
create table reserving (
  period char(7) primary key references month (period),
  upto bigint not null
);

-- owner: ledger
-- A settled month's split: one row per finally accepted flattr, never changed. A month's partition is
-- built aside and attached with the settlement.
create table share (
  period char(7) not null,
  giver bigint not null,
  thing bigint not null,
  amount bigint not null check (amount >= 0),
  primary key (giver, thing, period)
) partition by list (period);
create trigger share_immutable before update or delete on share
  for each row execute function refuse_change();
create trigger share_kept before truncate on share
  for each statement execute function refuse_change();

-- owner: ledger
-- How far a settlement is, and what it came to: rows and micro-units.
create table settlement (
  period char(7) primary key references month (period),
  stage text not null check (stage in ('splitting','indexing','checking','publishing','settled')),
  givers bigint not null default 0 check (givers >= 0),      -- whose budgets are to be settled
  done bigint not null default 0 check (done between 0 and givers),
  flattrs bigint not null default 0 check (flattrs >= 0),    -- that got a share
  amount bigint not null default 0 check (amount >= 0),      -- of all shares
  rolled bigint not null default 0 check (rolled >= 0),      -- of budgets without a flattr
  began_at timestamptz not null,
  ended_at timestamptz,
  check ((ended_at is null) = (stage <> 'settled'))
);

-- owner: ledger
-- What this instance's own givers gave a member of this instance in a month.
create table earning (
  id bigint generated always as identity primary key,
  period char(7) not null,
  member bigint not null,
  flattrs int not null check (flattrs > 0),
  amount bigint not null check (amount > 0),
  unique (period, member)
);
comment on column earning.member is 'references member (id), by trigger';
-- A foreign key asks row by row, and locks each member, which writes to each one's row: this asks once for all the
-- rows of a statement. Earnings don't change.
-- +goose StatementBegin
create function earning_references() returns trigger language plpgsql as $$
begin
  if exists (select from written w where not exists (select from member m where m.id = w.member)) then
    raise exception 'earning: its member doesn''t exist' using errcode = 'foreign_key_violation';
  end if;
  return null;
end $$;
create function member_earned() returns trigger language plpgsql as $$
begin
  if exists (select from earning e where e.member = old.id) then
    raise exception 'member: an earning is left' using errcode = 'foreign_key_violation';
  end if;
  return old;
end $$;
-- +goose StatementEnd
create trigger earning_inserted after insert on earning referencing new table as written
  for each statement execute function earning_references();
create trigger member_kept before delete on member
  for each row execute function member_earned();
create trigger member_numbered before update of id on member
  for each row when (new.id <> old.id) execute function refuse_change();
create trigger earning_immutable before update or delete on earning
  for each row execute function refuse_change();
create trigger earning_kept before truncate on earning
  for each statement execute function refuse_change();

-- owner: ledger
-- out: what we owe another instance's members for a month; in: what another instance owes ours.
create table claim (
  id bigint generated always as identity primary key,
  direction text not null check (direction in ('out','in')),
  peer bigint not null references peer (id),
  period char(7) not null,
  currency char(3) not null,
  n int check (n > 0),
  iri text unique,
  amount bigint not null check (amount >= 0),
  line_count int not null check (line_count >= 0),
  digest text not null,
  state text not null check (state in ('draft','offered','accepted','refused','superseded','confirmed','replaced')),
  answer text check (answer in ('accept','reject')),
  content text not null default '',        -- in: SHA-256 of the offer's JCS without proof
  supersedes bigint unique references claim (id),
  origin bigint references claim (id),     -- out: the first of a chain of supersedings
  adopted boolean not null default false,  -- signed here, lost with a database, and returned by the peer
  created_at timestamptz not null,
  reminded_at timestamptz,                 -- out: when it was last told again
  answered_at timestamptz,
  confirmed_at timestamptz,
  check (direction = 'out' or state not in ('draft','offered','replaced')),
  check ((state in ('draft','replaced')) = (n is null) and (n is null) = (iri is null)),
  check (state not in ('draft','replaced') or answer is null),
  check (state <> 'offered' or answer is null),
  check (state not in ('accepted','confirmed') or answer is not distinct from 'accept'),
  check (state <> 'refused' or answer is not distinct from 'reject'),
  check (answer is null or answered_at is not null),
  check ((state = 'confirmed') = (confirmed_at is not null)),
  unique (direction, peer, period, currency, n)
);

-- owner: ledger
create table claim_line (
  id bigint generated always as identity primary key,
  claim bigint not null,
  payee text collate "C" not null,         -- in the order of the wire
  member bigint references member (id),
  amount bigint not null check (amount > 0),
  things jsonb not null,
  refused text check (refused in ('unknown-payee','not-accepting','blocked','deleted')),
  unique (claim, payee)
);
create index claim_line_member on claim_line (member) where member is not null; -- what a payee earned

comment on column claim_line.claim is 'references claim (id), by trigger';
-- A foreign key asks row by row, which is most of the time that a large claim takes: this asks once for all the
-- rows of a statement. Claims are never deleted, and a line stays with its claim.
-- +goose StatementBegin
create function claim_line_references() returns trigger language plpgsql as $$
begin
  if exists (select from written w where not exists (select from claim c where c.id = w.claim)) then
    raise exception 'claim_line: its claim doesn''t exist' using errcode = 'foreign_key_violation';
  end if;
  return null;
end $$;
-- +goose StatementEnd
create trigger claim_line_inserted after insert on claim_line referencing new table as written
  for each statement execute function claim_line_references();
create trigger claim_line_moved before update on claim_line
  for each row when (new.claim <> old.claim) execute function refuse_change();
create trigger claim_kept before delete on claim
  for each row execute function refuse_change();
create trigger claim_emptied before truncate on claim
  for each statement execute function refuse_change();
create trigger claim_numbered before update on claim
  for each row when (new.id <> old.id) execute function refuse_change();

-- owner: ledger
-- Money that came back from a refused line to its giver: at most once per share.
create table share_return (
  id bigint generated always as identity primary key,
  giver bigint not null references member (id),
  thing bigint not null references thing (id),
  period char(7) not null,
  claim bigint not null references claim (id),
  amount bigint not null check (amount > 0),
  created_at timestamptz not null,
  unique (giver, thing, period)
);
create trigger share_return_immutable before update or delete on share_return
  for each row execute function refuse_change();
create trigger share_return_kept before truncate on share_return
  for each statement execute function refuse_change();

-- owner: ledger
-- out: ordered (reference committed) -> sent -> confirmed | not_received; ordered -> cancelled.
-- in: announced -> confirmed | not_received.
create table payment (
  id bigint generated always as identity primary key,
  direction text not null check (direction in ('out','in')),
  peer bigint not null references peer (id),
  iri text not null unique,
  amount bigint not null check (amount > 0),
  currency char(3) not null,
  method text not null,                    -- 'netting': both sides' claims pay each other
  content text not null default '',        -- in: SHA-256 of the notice's JCS without proof
  reference text not null check (length(reference) between 1 and 35),
  state text not null check (state in ('ordered','sent','announced','confirmed','not_received','cancelled')),
  received bigint check (received > 0),
  created_at timestamptz not null,
  paid_at timestamptz,
  answered_at timestamptz,
  recorded_by bigint references member (id),
  adopted boolean not null default false,  -- out: came back answered after this database was lost; only what arrived was reserved
  check (not adopted or direction = 'out' and state in ('confirmed','not_received')),
  check (method = 'netting' or amount % 10000 = 0 and coalesce(received, 0) % 10000 = 0),
  check (method <> 'netting' or coalesce(received, amount) = amount and state not in ('ordered','announced','cancelled')),
  check ((state = 'confirmed') = (received is not null)),
  check ((state in ('confirmed','not_received')) = (answered_at is not null)),
  check ((state in ('ordered','cancelled')) = (paid_at is null)),
  check (direction = 'out' or state in ('announced','confirmed','not_received')),
  check (direction = 'in' or state <> 'announced'),
  unique (direction, peer, reference)
);

-- owner: ledger
-- What a payment pays of which claim: reserved on sending, confirmed by the payee's side.
create table payment_allocation (
  payment bigint not null references payment (id),
  claim bigint not null references claim (id),
  amount bigint not null check (amount > 0),
  confirmed bigint check (confirmed between 0 and amount),
  primary key (payment, claim)
);

-- owner: ledger
-- How a confirmed allocation reaches the payees: within a claim by largest remainder over its lines.
create table line_allocation (
  id bigint generated always as identity primary key,
  payment bigint not null,
  claim bigint not null,
  line bigint not null references claim_line (id),
  amount bigint not null check (amount > 0),
  foreign key (payment, claim) references payment_allocation (payment, claim),
  unique (payment, line)
);
create trigger line_allocation_immutable before update or delete on line_allocation
  for each row execute function refuse_change();
create trigger line_allocation_kept before truncate on line_allocation
  for each statement execute function refuse_change();

-- owner: ledger
create table deposit (
  id bigint generated always as identity primary key,
  member bigint not null references member (id),
  amount bigint not null check (amount > 0 and amount % 10000 = 0),
  reference text not null unique check (reference <> ''),
  recorded_by bigint not null references member (id),
  created_at timestamptz not null
);
create trigger deposit_immutable before update or delete on deposit
  for each row execute function refuse_change();
create trigger deposit_kept before truncate on deposit
  for each statement execute function refuse_change();

-- owner: ledger
create table withdrawal (
  id bigint generated always as identity primary key,
  member bigint not null references member (id),
  amount bigint not null check (amount > 0 and amount % 10000 = 0),
  iban text not null,
  state text not null check (state in ('requested','paid','refused')),
  reference text not null unique,
  created_at timestamptz not null,
  decided_at timestamptz,
  decided_by bigint references member (id),
  check ((state = 'requested') = (decided_at is null))
);
