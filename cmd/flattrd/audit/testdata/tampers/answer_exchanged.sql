-- host: a.example
-- finds: document
-- The answer to one claim stands as the answer to another: signed, but not for this one.
update document set body = (select body from document where id = 'https://a.example/claims/2026-12/b.example/EUR/1#answer')
  where id = 'https://a.example/claims/2026-11/b.example/EUR/2#answer';
