-- host: c.example
-- finds: document
-- A netting that was refused gets another number.
update payment set reference = 'FLOTHER', iri = 'https://e.example/payments/FLOTHER'
  where direction = 'in' and method = 'netting' and state = 'not_received';
