-- host: a.example
-- finds: claim_line
-- Why d.example refused xena's line is its own word; the books say another.
update claim_line set refused = 'deleted' where refused = 'blocked';
