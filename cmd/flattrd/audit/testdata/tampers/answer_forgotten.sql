-- host: b.example
-- finds: claim
-- A claim that c.example has accepted is offered again, as if there had been no answer.
update claim set state = 'offered', answer = null, answered_at = null
  where direction = 'out' and period = '2026-11' and state = 'accepted' and amount = 500000;
