INSERT INTO @ships (id, name) VALUES (1000 + #, 'x');
UPDATE @ships SET port = # WHERE id = 1 + # % 20;
