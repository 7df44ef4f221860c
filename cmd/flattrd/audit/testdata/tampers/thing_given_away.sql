-- host: a.example
-- finds: thing
-- A button of anna's says that it is alice's. Who gets the money isn't touched yet.
update thing set payee = 'https://a.example/users/alice' where payee = 'https://a.example/users/anna';
