-- host: b.example
-- finds: document
-- A claim of d.example is made up, with line, transfer and balances. Nobody signed it.
insert into claim (direction, peer, period, currency, n, iri, amount, line_count, digest, state, answer, content, created_at, answered_at)
  select 'in', id, '2026-12', 'EUR', 9, 'https://d.example/claims/2026-12/b.example/EUR/9', 50000, 1, '', 'accepted', 'accept', 'sha-256:0',
    timestamptz '2027-01-02', timestamptz '2027-01-02' from peer where host = 'd.example';
insert into claim_line (claim, payee, member, amount, things)
  select id, 'https://b.example/users/bob', 2, 50000, '[{"amount":"50000","flattrs":3,"object":"https://b.example/users/bob/thing"}]'
  from claim where n = 9;
with made as (
  insert into transfer (batch, kind, ref, phase, debit_account, credit_account, currency, amount, booked_at)
  select '2027-01', 'line', l.id, 'single', r.id, a.id, 'EUR', l.amount, c.answered_at
  from claim c join claim_line l on l.claim = c.id join account r on r.kind = 'receivable' and r.owner = c.peer
  join account a on a.kind = 'announced' and a.owner = 2 where c.n = 9
  returning kind, ref, phase, id, batch)
insert into transfer_key select * from made;
