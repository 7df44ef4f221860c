-- host: b.example
-- finds: line_advance
-- A micro-unit that was advanced reaches op before bea, and bea with the next advance. Both end as they should.
update line_advance set amount = amount + case when line = (select min(line) from line_advance) then -1 else 1 end
  where advance = (select min(id) from advance);
update line_advance set amount = amount + case when line = (select min(line) from line_advance) then 1 else -1 end
  where advance = (select max(id) from advance);
update transfer t set amount = x.amount from line_advance x where t.kind = 'advance' and t.ref = x.id;
