-- host: b.example
-- finds: document
-- A peer's accounting key is another, valid one: nothing that it signed is by it.
update peer set accounting_key = (select accounting_key from peer where host = 'c.example') where host = 'a.example';
