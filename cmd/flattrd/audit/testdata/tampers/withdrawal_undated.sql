-- host: b.example
-- finds: transfer
-- A withdrawal was paid at another time than it was booked.
update withdrawal set decided_at = decided_at + interval '1 day' where state = 'paid';
