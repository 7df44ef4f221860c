-- host: a.example
-- finds: month
-- November is closed before it is over.
update month set closed_at = '2026-11-29T12:00:00Z' where period = '2026-11';
