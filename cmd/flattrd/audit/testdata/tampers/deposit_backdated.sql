-- host: a.example
-- finds: transfer
-- A deposit is dated a day before it was booked.
update deposit set created_at = created_at - interval '1 day' where id = (select min(id) from deposit);
