-- host: c.example
-- finds: claim
-- An offer that came back after a restore gives one payee what it gave another: no share stands behind its lines.
update claim_line l set amount = l.amount + case when l.payee like '%/elsa' then 100000 else -100000 end,
    things = jsonb_set(l.things, '{0,amount}', to_jsonb((l.amount + case when l.payee like '%/elsa' then 100000 else -100000 end)::text))
  from claim c where c.id = l.claim and c.adopted and c.direction = 'out' and c.amount = 700000;
