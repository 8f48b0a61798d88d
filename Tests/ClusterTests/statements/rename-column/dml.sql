INSERT INTO @ships (id, name) VALUES (1000 + #, 'x');
