-- host: a.example
-- finds: document
-- A payment on its way gets another bank reference, and with it another id.
update payment set reference = 'FLOTHER', iri = 'https://a.example/payments/FLOTHER' where direction = 'out' and state = 'sent';
