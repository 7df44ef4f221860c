-- host: b.example
-- finds: claim
-- A claim that d.example sent is made a cent larger, in its line, its total, the transfer and both balances.
update claim_line l set amount = l.amount + 10000, things = jsonb_set(l.things, '{0,amount}', to_jsonb((l.amount + 10000)::text))
  from claim c where c.id = l.claim and c.direction = 'in' and c.amount = 140000 and l.member = 2;
update transfer t set amount = l.amount from claim_line l join claim c on c.id = l.claim
  where t.kind = 'line' and t.ref = l.id and c.direction = 'in' and c.amount = 140000;
update claim set amount = amount + 10000 where direction = 'in' and amount = 140000;
