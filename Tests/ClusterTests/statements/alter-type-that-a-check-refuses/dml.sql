INSERT INTO @ships (id, name, owner) VALUES (1000 + #, 'new-#', #);
UPDATE @ships SET port = # + 10 WHERE id = 1 + # % 5;
