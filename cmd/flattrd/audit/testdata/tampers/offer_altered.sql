-- host: b.example
-- finds: document
-- One digit of a signed offer is another.
update document set body = replace(body, '"140000"', '"150000"') where id = 'https://d.example/claims/2026-12/b.example/EUR/2';
