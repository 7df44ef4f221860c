-- host: c.example
-- finds: claim
-- A claim that e.example has accepted is offered again, as if there had been no answer.
update claim set state = 'offered', answer = null, answered_at = null
  where direction = 'out' and period = '2026-11' and state = 'accepted' and amount = 400000;
