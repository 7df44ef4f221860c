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
alter table withdrawal add column source text not null default 'earned' check (source in ('earned','means','cause'));
alter table withdrawal alter column source drop default;
alter table withdrawal alter column member drop not null;
alter table withdrawal add constraint withdrawal_member_or_instance check ((member is null) = (source = 'cause'));
alter table withdrawal add column asked_by bigint references member (id); -- the operator who asked, if it wasn't the member
create index withdrawal_member on withdrawal (member);

-- What becomes of a budget that no flattr took a share of: it rolls over, or goes to the instance's cause. A month has
-- the policy that was in force when it opened.
alter table instance add column unused text not null default 'rollover' check (unused in ('rollover','cause'));
alter table instance add column cause text not null default '';          -- its name, for people
alter table month add column unused text not null default 'rollover' check (unused in ('rollover','cause'));
alter table month alter column unused drop default;

-- owner: ledger
-- Money that goes to a cause: a month's budgets that no flattr took a share of.
create table donation (
  id bigint generated always as identity primary key,
  period char(7) not null unique references month (period),
  amount bigint not null check (amount > 0),
  created_at timestamptz not null
);
create trigger donation_immutable before update or delete on donation
  for each row execute function refuse_change();
create trigger donation_kept before truncate on donation
  for each statement execute function refuse_change();

-- What a payee's budget of the month must be at least, where the policy is so.
alter table instance add column reciprocity_minimum bigint not null default 0;
alter table instance add constraint instance_reciprocity_minimum check ((reciprocity = 'minimum') = (reciprocity_minimum > 0));
