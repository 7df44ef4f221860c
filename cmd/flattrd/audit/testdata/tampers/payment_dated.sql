-- host: b.example
-- finds: payment
-- When a peer gave its order is its word.
update payment set paid_at = paid_at - interval '1 day' where direction = 'in' and state = 'confirmed' and amount = 300000;
