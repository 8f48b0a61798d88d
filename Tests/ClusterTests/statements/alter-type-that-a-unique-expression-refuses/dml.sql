INSERT INTO @ships (id, name, owner, port) VALUES (1000 + #, 'new-#', #, 1000 + #);
UPDATE @ships SET owner = # WHERE id = 1 + # % 20;
