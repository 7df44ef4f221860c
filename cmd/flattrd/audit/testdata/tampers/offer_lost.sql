-- host: b.example
-- finds: document
-- The signed offer behind an accepted claim is gone.
delete from document where id = 'https://d.example/claims/2026-12/b.example/EUR/2';
