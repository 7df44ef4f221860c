-- host: a.example
-- finds: transfer
-- An earning is booked in its settlement, but at another time than the month was frozen.
update transfer set booked_at = booked_at + interval '1 hour' where kind = 'earning' and batch = '2026-11/settlement';
