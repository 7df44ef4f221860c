-- host: a.example
-- finds: claim
-- A flattr is moved from one thing of bob's to another, with its share, and the claim's line says so too. Bob gets the
-- same money. But b.example was told otherwise, with a signature.
update flattr set thing = 7 where period = '2026-12' and giver = 2 and thing = 6;
update share set thing = 7 where period = '2026-12' and giver = 2 and thing = 6;
update claim_line l set things = (
    select jsonb_agg(jsonb_set(x, '{flattrs}', to_jsonb(3 - (x->>'flattrs')::int)) order by x->>'object' collate "C")
    from jsonb_array_elements(l.things) x)
  from claim c where c.id = l.claim and c.direction = 'out' and c.period = '2026-12' and l.payee = 'https://b.example/users/bob';
