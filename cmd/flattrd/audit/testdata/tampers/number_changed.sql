-- host: b.example
-- finds: claim
-- The number of a peer's claim is part of its id.
update claim set n = n + 7 where direction = 'in' and amount = 140000;
