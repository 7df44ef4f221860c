-- A month's end: givers with a budget each, and their accepted flattrs on things that are liked unequally,
-- of payees here and at other instances. Every row is one that the program could have written.
-- $1 givers, $2 flattrs of each, $3 things, $4 other instances, $5 base URL, $6 the month, $7 a time in it.
create temporary table size as
  select $1::bigint as givers, $2::bigint as flattrs, $3::bigint as things, $4::bigint as peers, $5::text as base,
    $6::text as period, $7::timestamptz as at, greatest($3::bigint / 3, 1) as payees, greatest($3::bigint / 9, 1) as own;

insert into peer (host, created_at) select format('peer%s.example', n), at from size, generate_series(1, peers) n;
insert into member (name, display_name, password_hash, language, role, created_at)
  select 'payee' || n, 'payee' || n, 'x', 'en', 'member', at from size, generate_series(1, own) n;
insert into member (name, display_name, password_hash, language, role, budget, created_at)
  select 'giver' || n, 'giver' || n, 'x', 'en', 'member', (100 + n * 37 % 1901) * 10000, at
  from size, generate_series(1, givers) n;

-- A thing's payee is ours if its number is small; popularity falls with the thing's number.
create temporary table made as
  select n, 'thing' || lpad(n::text, 9, '0') as id, n % payees + 1 as payee, n % payees < own as ours,
    format('peer%s.example', n % payees % peers + 1) as host from size, generate_series(1, things) n;
insert into button (id, owner, url, title, created_at)
  select t.id, m.id, 'https://blog.example/' || t.n, 'Thing ' || t.n, at
  from size, made t join member m on m.name = 'payee' || t.payee where t.ours order by t.n;
insert into thing (iri, url, title, payee, payee_name, button, member, peer, created_at)
  select base || '/buttons/' || t.id, 'https://blog.example/' || t.n, 'Thing ' || t.n, base || '/users/' || m.name, m.name,
    t.id, m.id, null::bigint, at
  from size, made t join member m on m.name = 'payee' || t.payee where t.ours
  union all
  select format('https://%s/buttons/%s', t.host, t.id), 'https://blog.example/' || t.n, 'Thing ' || t.n,
    format('https://%s/users/payee%s', t.host, t.payee), 'payee' || t.payee, null, null, p.id, at
  from size, made t join peer p on p.host = t.host where not t.ours;

-- What each paid in is what is held back for the month.
insert into account (kind, owner, currency, normal, debits_posted)
  select 'bank', 0, 'EUR', 'D', sum(budget) from member;
insert into account (kind, owner, currency, normal, credits_pending)
  select 'clearing', 0, 'EUR', 'C', sum(budget) from member;
insert into account (kind, owner, currency, normal, credits_posted, debits_pending)
  select 'means', id, 'EUR', 'C', budget, budget from member where budget > 0 order by id;
insert into deposit (member, amount, reference, recorded_by, created_at)
  select m.id, m.budget, 'bank ' || m.id, o.id, at from size, member m, (select min(id) as id from member) o
  where m.budget > 0 order by m.id;
insert into reservation (member, period, amount, state, created_at)
  select id, period, budget, 'reserved', at from size, member where budget > 0 order by id;
insert into transfer (batch, kind, ref, phase, debit_account, credit_account, currency, amount, booked_at)
  select period, 'deposit', d.id, 'single', b.id, a.id, 'EUR', d.amount, at
  from size, deposit d join account a on a.kind = 'means' and a.owner = d.member join account b on b.kind = 'bank'
  union all
  select r.period, 'budget', r.id, 'pending', a.id, c.id, 'EUR', r.amount, at
  from size, reservation r join account a on a.kind = 'means' and a.owner = r.member join account c on c.kind = 'clearing';
insert into transfer_key (kind, ref, phase, transfer, batch) select kind, ref, phase, id, batch from transfer;

insert into flattr (id, giver, thing, period, state, made_at, answered_at)
  select gen_random_uuid(), giver, thing, period, 'accepted', at, at
  from size, (
    select distinct m.id as giver, 1 + floor(power(random(), 3) * things)::bigint as thing
    from size, member m, generate_series(1, flattrs) n where m.budget > 0) c
  order by random();
