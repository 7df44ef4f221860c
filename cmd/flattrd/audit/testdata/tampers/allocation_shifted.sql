-- host: b.example
-- finds: line_allocation
-- A micro-unit of a payment reaches bob instead of bea. The claim is paid whole, both lines end as they should.
update line_allocation set amount = amount + case when line = (select min(line) from line_allocation where claim = x.claim) then -1 else 1 end
  from (select claim from line_allocation group by claim having count(distinct payment) = 2 and max(repaid) = 0) x
  where line_allocation.claim = x.claim and payment = (select min(payment) from line_allocation where claim = x.claim);
update line_allocation set amount = amount + case when line = (select min(line) from line_allocation where claim = x.claim) then 1 else -1 end
  from (select claim from line_allocation group by claim having count(distinct payment) = 2 and max(repaid) = 0) x
  where line_allocation.claim = x.claim and payment = (select max(payment) from line_allocation where claim = x.claim);
update transfer t set amount = x.amount from line_allocation x where t.kind = 'allocation' and t.ref = x.id;
