INSERT INTO @ships (id, name, owner) VALUES (1000 + #, 'n-#', #);
UPDATE @ships SET owner = # WHERE id = 1 + # % 20;
