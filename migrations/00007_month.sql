-- +goose Up

-- owner: ledger
-- A deposit that is taken back, once: recorded by mistake, or charged back at the bank. What the giver hasn't given
-- yet is taken from the means, also what the open month holds back; the rest is the instance's loss (protocol §9).
create table reversal (
  id bigint generated always as identity primary key,
  deposit bigint not null unique references deposit (id),
  cause text not null check (cause in ('mistake','chargeback')),
  reason text not null check (reason <> ''),
  taken bigint not null check (taken >= 0),              -- from the giver's means
  lost bigint not null check (lost >= 0),                -- taken + lost = the deposit
  reservation bigint unique references reservation (id), -- the open month's, if it was lowered for this
  lowered bigint check (lowered > 0),                    -- by how much
  recorded_by bigint not null references member (id),
  created_at timestamptz not null,
  check ((reservation is null) = (lowered is null)),
  check (lowered <= taken)
);
create trigger reversal_immutable before update or delete on reversal
  for each row execute function refuse_change();
create trigger reversal_kept before truncate on reversal
  for each statement execute function refuse_change();

-- What a member, or the operator, has paid out by bank, and from which account.
alter table withdrawal add column source text not null default 'earned' check (source in ('earned','means','cause','fee'));
alter table withdrawal alter column source drop default;
alter table withdrawal alter column member drop not null;
alter table withdrawal add constraint withdrawal_member_or_instance check ((member is null) = (source in ('cause','fee')));
alter table withdrawal add column asked_by bigint references member (id); -- the operator who asked, if it wasn't the member
create index withdrawal_member on withdrawal (member);

-- What becomes of a budget that no flattr took a share of: it rolls over, or goes to the instance's cause. A month has
-- the policy that was in force when it opened.
alter table instance add column unused text not null default 'rollover' check (unused in ('rollover','cause'));
alter table instance add column cause text not null default '';          -- its name, for people
alter table month add column unused text not null default 'rollover' check (unused in ('rollover','cause'));
alter table month alter column unused drop default;

-- owner: ledger
-- How a member left, whose row stays: where what is left or comes later is paid to, or whose it is then.
create table departure (
  member bigint primary key references member (id),
  iban text not null,                      -- '': to the cause
  cause bigint references member (id),     -- null: the instance's
  created_at timestamptz not null,
  check (cause <> member)
);
create trigger departure_immutable before update or delete on departure
  for each row execute function refuse_change();
create trigger departure_kept before truncate on departure
  for each statement execute function refuse_change();

-- owner: ledger
-- Money that goes to a cause: a month's budgets that no flattr took a share of, or what a member left behind.
create table donation (
  id bigint generated always as identity primary key,
  source text not null check (source in ('unused','means','earned')),
  period char(7) unique references month (period),
  member bigint references departure (member),
  amount bigint not null check (amount > 0),
  cause bigint references member (id),     -- null: the instance's
  created_at timestamptz not null,
  check ((source = 'unused') = (period is not null)),
  check ((source = 'unused') = (member is null)),
  check (source <> 'unused' or cause is null)
);
create trigger donation_immutable before update or delete on donation
  for each row execute function refuse_change();
create trigger donation_kept before truncate on donation
  for each statement execute function refuse_change();

-- What a payee's budget of the month must be at least, where the policy is so.
alter table instance add column reciprocity_minimum bigint not null default 0;
alter table instance add constraint instance_reciprocity_minimum check ((reciprocity = 'minimum') = (reciprocity_minimum > 0));

-- owner: ledger
-- What this instance keeps of what its payees get, from a month on: in hundredths of a percent. Published before the
-- month begins, and fixed when it has.
create table fee_rate (
  period char(7) primary key check (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  basis_points int not null check (basis_points between 0 and 5000),
  set_by bigint not null references member (id),
  created_at timestamptz not null
);
-- +goose StatementBegin
create function fee_rate_published() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' and exists (select from month where period >= old.period)
    or tg_op <> 'DELETE' and exists (select from month where period >= new.period) then
    raise exception 'fee_rate: its month has begun' using errcode = 'integrity_constraint_violation';
  end if;
  return null;
end $$;
-- +goose StatementEnd
create trigger fee_rate_fixed after insert or update or delete on fee_rate
  for each row execute function fee_rate_published();
create trigger fee_rate_kept before truncate on fee_rate
  for each statement execute function refuse_change();

-- owner: ledger
-- What a payee's fee grew by when money of a month became available, one row for each time where a rate is set: all fees
-- of (member, period) are the rate of gross, rounded down.
create table fee (
  id bigint generated always as identity primary key,
  member bigint not null references member (id),
  period char(7) not null references month (period),
  gross bigint not null check (gross > 0),      -- available to the member of that month, this included
  amount bigint not null check (amount >= 0),
  earning bigint unique references earning (id),
  allocation bigint unique references line_allocation (id),
  advance bigint unique references line_advance (id),
  check (num_nonnulls(earning, allocation, advance) = 1),
  unique (member, period, gross)
);
create trigger fee_immutable before update or delete on fee
  for each row execute function refuse_change();
create trigger fee_kept before truncate on fee
  for each statement execute function refuse_change();

-- Whose an allocation to a line became: the payee's, or, if that one had left, the cause's; null: the instance's cause's.
alter table line_allocation add column member bigint references member (id);
