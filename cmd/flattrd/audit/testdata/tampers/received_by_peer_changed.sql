-- host: b.example
-- finds: payment
-- What arrived at a.example beyond what was sent moves nothing here; the signed answer says how much it was.
update payment set received = received + 10000 where direction = 'out' and state = 'confirmed' and received > amount;
