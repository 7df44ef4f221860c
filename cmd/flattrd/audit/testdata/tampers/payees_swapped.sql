-- host: b.example
-- finds: claim
-- Two lines of a claim that came in give the same amount; their payees are exchanged, but not their things. All
-- balances are the other's.
update claim_line l set payee = 'x' || l.payee, member = 5 - l.member
  from claim c where c.id = l.claim and c.direction = 'in' and c.amount = 140000;
update claim_line set payee = case payee when 'xhttps://b.example/users/bea' then 'https://b.example/users/bob'
    else 'https://b.example/users/bea' end where payee like 'xhttps%';
update transfer t set credit_account = (select a.id from account a where a.kind = 'announced' and a.owner = l.member)
  from claim_line l join claim c on c.id = l.claim
  where t.kind = 'line' and t.ref = l.id and c.direction = 'in' and c.amount = 140000;
