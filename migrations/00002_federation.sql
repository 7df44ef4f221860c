-- +goose Up

-- owner: federation
-- Keys of our own actors, made when first needed. purpose 'main' signs requests (RSA) and documents
-- (Ed25519); 'accounting' is the instance's key for money.
create table actor_key (
  actor text not null,
  purpose text not null check (purpose in ('main','accounting')),
  kind text not null check (kind in ('rsa','ed25519')),
  private_pem text not null,
  created_at timestamptz not null,
  primary key (actor, purpose, kind)
);

-- owner: federation
-- Actors elsewhere, as their own servers last described them. A sender is stored only once its key was proven.
create table remote_actor (
  id text primary key,
  document text not null,
  fetched_at timestamptz not null
);

-- owner: federation
create table remote_key (
  id text primary key,
  actor text not null references remote_actor (id) on delete cascade
);

-- owner: federation
-- Documents about money that carry a proof, as they were signed: ours before they are first sent, so
-- that every retry is the same bytes, and the others' as evidence.
create table document (
  id text primary key,
  body text not null,
  content text not null,                   -- SHA-256 of the JCS without proof: what statements compare
  sent boolean not null,
  created_at timestamptz not null
);

-- owner: federation
-- Offers of claims whose lines stand on pages, until all are here; fault is what was wrong with them, until
-- the offer comes again.
create table offer_waiting (
  id text primary key,
  host text not null,
  content text not null,
  body text not null,
  fault text not null default '',
  detail text not null default '',
  created_at timestamptz not null
);
create index offer_waiting_host on offer_waiting (host);

-- owner: federation
-- The pages of such an offer that are here: so many lines after so many.
create table offer_page (
  offer text not null references offer_waiting (id) on delete cascade,
  start bigint not null check (start >= 0),
  lines int not null check (lines > 0),
  bytes bigint not null check (bytes > 0), -- of the lines' JCS
  content text not null,
  primary key (offer, start)
);
