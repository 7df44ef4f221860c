-- +goose Up

-- Since when the books are known to be a backup that was put back, until an operator has compared them with the bank.
alter table instance add column restored_at timestamptz;

-- owner: ledger
-- How far we and a peer have talked by statements (protocol §9).
create table standing (
  peer bigint primary key references peer (id),
  sent bigint not null default 0 check (sent >= 0),       -- our last sequence number
  seen bigint not null default 0 check (seen >= 0),       -- the peer's highest
  asked text not null default '',                         -- our last statement since we started
  answered text not null default '',                      -- the last of these that the peer has answered
  busy_until timestamptz,                                 -- each statement of the peer's takes a minute of its time
  told_at timestamptz,                                    -- when we last made a statement
  heard_at timestamptz,                                   -- when the peer's last one came
  agreed_at timestamptz,                                  -- when both last had the same records
  held_at timestamptz                                     -- reconcile first: nothing is signed for this peer since
);
