INSERT INTO @ships (id, name, owner) VALUES (1000 + #, '7#', #);
