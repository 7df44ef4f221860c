-- host: b.example
-- finds: claim
-- Which of its claims a peer replaced is said by the one that replaces it.
update claim set supersedes = case when supersedes is null then (
    select supersedes from claim where direction = 'in' and period = '2026-11' and n = 2 and iri like 'https://d.example/%') end
  where direction = 'in' and period = '2026-11' and n in (2, 3) and iri like 'https://d.example/%';
