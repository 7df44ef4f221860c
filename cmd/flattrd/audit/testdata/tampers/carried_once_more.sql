-- host: a.example
-- finds: flattr
-- A flattr that waits is said to have been carried before.
update flattr set carry_count = carry_count + 1 where carry_count > 0;
