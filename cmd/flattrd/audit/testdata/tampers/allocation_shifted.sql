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
-- The fees follow.
update fee set gross = x.gross, amount = x.gross * 333 / 10000 - (x.gross - x.amount) * 333 / 10000 from (
  select f.id, a.amount, sum(coalesce(e.amount, a.amount)) over (partition by f.member, f.period order by f.gross)::bigint as gross
  from fee f left join earning e on e.id = f.earning left join line_allocation a on a.id = f.allocation) x
  where fee.id = x.id and fee.allocation is not null;
update transfer t set amount = f.amount from fee f where t.kind = 'fee' and t.ref = f.id and f.amount > 0;
