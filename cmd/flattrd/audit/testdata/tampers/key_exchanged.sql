-- host: b.example
-- finds: document
-- A peer's accounting key is another, valid one: nothing that it signed is by it.
update peer set accounting_key = (select accounting_key from peer where host = 'c.example') where host = 'a.example';
update peer_key k set key = p.accounting_key from peer p where p.id = k.peer and p.host = 'a.example';
