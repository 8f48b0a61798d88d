INSERT INTO @ships (id, name, owner) VALUES (1000 + #, 'new-#', #);
UPDATE @ships SET owner = owner + 1, port = # WHERE id = 1 + # % 20;
DELETE FROM @ships WHERE id > 1000 AND id < 1000 + #;
