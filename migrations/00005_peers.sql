-- +goose Up

-- What operators agree on with those of another instance. advance_limit: what may be made available to payees
-- before the peer has paid it; nothing before its key was compared. held_key is another accounting key that the
-- peer's actor names without the pinned one's signature: until an operator has decided, all money is held.
alter table peer add column advance_limit bigint not null default 0 check (advance_limit >= 0 and advance_limit % 10000 = 0);
alter table peer add column held_key text not null default '';
alter table peer add column held_key_id text not null default '';
alter table peer add column key_held_at timestamptz;
alter table peer add constraint peer_advance_confirmed check (advance_limit = 0 or key_confirmed_at is not null);
alter table peer add constraint peer_held check ((held_key = '') = (key_held_at is null) and (held_key = '') = (held_key_id = ''));

-- owner: ledger
-- Every accounting key that a peer has had here, so that what was signed with it can be verified for ever. The
-- last is the pinned one. statement: of a rotation, what the key before it signed.
create table peer_key (
  id bigint generated always as identity primary key,
  peer bigint not null references peer (id),
  key text not null check (key <> ''),
  key_id text not null,
  how text not null check (how in ('pinned','rotated','confirmed')),
  statement text not null default '',
  decided_by bigint references member (id),
  created_at timestamptz not null,
  unique (peer, key),
  check ((how = 'rotated') = (statement <> '')),
  check ((how = 'confirmed') = (decided_by is not null))
);
create trigger peer_key_immutable before update or delete on peer_key
  for each row execute function refuse_change();
create trigger peer_key_kept before truncate on peer_key
  for each statement execute function refuse_change();

-- owner: ledger
-- What of an accepted claim was made available to its payees before the peer has paid it.
create table advance (
  id bigint generated always as identity primary key,
  claim bigint not null references claim (id),
  amount bigint not null check (amount > 0),
  created_at timestamptz not null
);
create index advance_claim on advance (claim);
create trigger advance_immutable before update or delete on advance
  for each row execute function refuse_change();
create trigger advance_kept before truncate on advance
  for each statement execute function refuse_change();

-- owner: ledger
-- How an advance reaches the payees: by largest remainder over what each line isn't paid and advanced of.
create table line_advance (
  id bigint generated always as identity primary key,
  advance bigint not null references advance (id),
  line bigint not null references claim_line (id),
  amount bigint not null check (amount > 0),
  unique (line, advance)
);
create index line_advance_advance on line_advance (advance);
create trigger line_advance_immutable before update or delete on line_advance
  for each row execute function refuse_change();
create trigger line_advance_kept before truncate on line_advance
  for each statement execute function refuse_change();

-- The last line of the limit: when an advance is committed, all that is advanced to the peer's payees is within it.
-- +goose StatementBegin
create function advance_within_limit() returns trigger language plpgsql as $$
begin
  if exists (select from claim c join peer p on p.id = c.peer join account a on a.kind = 'advance' and a.owner = p.id
             where c.id = new.claim and a.debits_posted - a.credits_posted > p.advance_limit) then
    raise exception 'advance %: more than the peer''s limit', new.id using errcode = 'check_violation';
  end if;
  return null;
end $$;
-- +goose StatementEnd
create constraint trigger advance_limited after insert on advance deferrable initially deferred
  for each row execute function advance_within_limit();

-- owner: ledger
-- What a peer owes is given up, by two operators: one proposes it, and what it is then, another confirms that. lost is
-- what of it this instance had advanced; the rest is lost to the payees.
create table write_off (
  id bigint generated always as identity primary key,
  peer bigint not null references peer (id),
  proposed text not null check (proposed ~ '^[1-9][0-9]*$'), -- micro-units: what it was then, which moves nothing
  proposed_lines text not null check (proposed_lines ~ '^[0-9a-f]{64}$'), -- SHA-256 of its lines, of each "line amount lost"
  amount bigint check (amount > 0),
  lost bigint check (lost between 0 and amount),
  reason text not null check (reason <> ''),
  state text not null check (state in ('proposed','confirmed','withdrawn')),
  proposed_by bigint not null references member (id),
  created_at timestamptz not null,
  decided_by bigint references member (id),
  decided_at timestamptz,
  check ((state = 'proposed') = (decided_by is null)),
  check ((decided_by is null) = (decided_at is null)),
  check ((state = 'confirmed') = (amount is not null)),
  check ((amount is null) = (lost is null)),
  constraint write_off_two_operators check (state <> 'confirmed' or decided_by <> proposed_by)
);
create unique index write_off_once on write_off (peer) where state = 'proposed';
create trigger write_off_kept before delete on write_off
  for each row execute function refuse_change();
create trigger write_off_emptied before truncate on write_off
  for each statement execute function refuse_change();
-- What was decided stays, and so does what was proposed.
create trigger write_off_decided before update on write_off for each row
  when (old.state <> 'proposed' or (new.id, new.peer, new.proposed, new.proposed_lines, new.reason, new.proposed_by, new.created_at)
    is distinct from (old.id, old.peer, old.proposed, old.proposed_lines, old.reason, old.proposed_by, old.created_at))
  execute function refuse_change();

-- owner: ledger
create table write_off_line (
  id bigint generated always as identity primary key,
  write_off bigint not null references write_off (id),
  line bigint not null references claim_line (id),
  amount bigint not null check (amount > 0),
  lost bigint not null check (lost between 0 and amount),
  unique (line, write_off)
);
create index write_off_line_write_off on write_off_line (write_off);
create trigger write_off_line_immutable before update or delete on write_off_line
  for each row execute function refuse_change();
create trigger write_off_line_kept before truncate on write_off_line
  for each statement execute function refuse_change();

-- owner: ledger
-- What happened between us and a peer that isn't money: who froze and unfroze it, whose key was compared, which
-- limit was set. operator: null is the program itself.
create table peer_event (
  id bigint generated always as identity primary key,
  peer bigint not null references peer (id),
  kind text not null check (kind in ('frozen','unfrozen','released','key-pinned','key-confirmed','key-rotated','key-held',
    'key-adopted','key-kept','threshold','advance-limit',
    'write-off-proposed','write-off-confirmed','write-off-withdrawn')),
  note text not null default '',
  operator bigint references member (id),
  write_off bigint references write_off (id),
  created_at timestamptz not null,
  check ((kind like 'write-off-%') = (write_off is not null))
);
create index peer_event_peer on peer_event (peer, id);
create trigger peer_event_immutable before update or delete on peer_event
  for each row execute function refuse_change();
create trigger peer_event_kept before truncate on peer_event
  for each statement execute function refuse_change();

-- What a payment finds of a line: repaid goes to the advance; reinstated had been written off, and recovered is
-- what of that this instance had lost.
alter table line_allocation add column repaid bigint not null default 0 check (repaid >= 0);
alter table line_allocation add column reinstated bigint not null default 0 check (reinstated >= 0);
alter table line_allocation add column recovered bigint not null default 0 check (recovered >= 0);
alter table line_allocation add constraint line_allocation_parts
  check (repaid <= amount and reinstated <= amount and recovered <= least(repaid, reinstated));
create index line_allocation_line on line_allocation (line);

-- owner: ledger
-- Two instances see a claim or a payment differently. What is said of it stands in dispute_note; nothing about it
-- moves money.
create table dispute (
  id bigint generated always as identity primary key,
  peer bigint not null references peer (id),
  claim bigint references claim (id),
  payment bigint references payment (id),
  created_at timestamptz not null,
  check (num_nonnulls(claim, payment) = 1)
);
create index dispute_peer on dispute (peer, id);
create trigger dispute_immutable before update or delete on dispute
  for each row execute function refuse_change();
create trigger dispute_kept before truncate on dispute
  for each statement execute function refuse_change();

-- owner: ledger
-- The first note opens a dispute, one with an outcome closes it.
create table dispute_note (
  id bigint generated always as identity primary key,
  dispute bigint not null references dispute (id),
  note text not null check (note <> ''),
  outcome text check (outcome in ('ours','theirs','agreed','dropped')),
  operator bigint not null references member (id),
  created_at timestamptz not null
);
create unique index dispute_closed on dispute_note (dispute) where outcome is not null;
create index dispute_note_dispute on dispute_note (dispute, id);
create trigger dispute_note_immutable before update or delete on dispute_note
  for each row execute function refuse_change();
create trigger dispute_note_kept before truncate on dispute_note
  for each statement execute function refuse_change();

-- Our own accounting keys: the one that isn't retired signs. statement is what a retired key signed about the one
-- after it, as the instance actor shows it.
alter table actor_key add column n int not null default 1 check (n > 0);
alter table actor_key add column retired_at timestamptz;
alter table actor_key add column statement text not null default '';
alter table actor_key drop constraint actor_key_pkey;
alter table actor_key add primary key (actor, purpose, kind, n);
alter table actor_key add constraint actor_key_retired check ((retired_at is null) = (statement = '') and (retired_at is null or purpose = 'accounting'));
create unique index actor_key_current on actor_key (actor, purpose, kind) where retired_at is null;
