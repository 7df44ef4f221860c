-- host: a.example
-- finds: payment
-- A payment brought a cent more than was answered: it stands as the peer's credit, and at the bank.
update payment set received = received + 10000 where direction = 'in' and state = 'confirmed' and received > amount;
update transfer t set amount = y.received - y.amount from payment y where t.kind = 'receipt_excess' and t.ref = y.id;
