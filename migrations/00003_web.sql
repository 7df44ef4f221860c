-- +goose Up

-- owner: web
-- Sessions of people who are logged in, under the hash of their token. The columns are those that
-- scs's pgxstore reads and writes. Not money: the expiry is real time, whatever a test's clock says.
create table sessions (
  token text primary key,
  data bytea not null,
  expiry timestamptz not null
);
create index sessions_expiry on sessions (expiry);
