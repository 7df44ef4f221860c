-- host: c.example
-- finds: payment
-- A netting that was refused was for less on both sides.
update payment set amount = amount - 10000 where direction = 'in' and method = 'netting' and state = 'not_received';
update payment_allocation a set amount = a.amount - 10000 from payment y
  where y.id = a.payment and y.direction = 'in' and y.method = 'netting' and y.state = 'not_received';
