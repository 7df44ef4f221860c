-- host: a.example
-- finds: flattr
-- That a flattr waited for an author is counted as an answer that didn't come.
update flattr f set carry_count = 1 from unclaimed_flattr w where w.id = f.carries;
