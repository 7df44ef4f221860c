-- host: b.example
-- finds: document
-- A claim that was accepted is taken out of the books, with all that followed from it. The offer is still there.
delete from transfer_key k using claim_line l join claim c on c.id = l.claim
  where k.kind = 'line' and k.ref = l.id and c.direction = 'in' and c.amount = 140000;
delete from transfer t using claim_line l join claim c on c.id = l.claim
  where t.kind = 'line' and t.ref = l.id and c.direction = 'in' and c.amount = 140000;
delete from claim_line l using claim c where c.id = l.claim and c.direction = 'in' and c.amount = 140000;
delete from claim where direction = 'in' and amount = 140000;
