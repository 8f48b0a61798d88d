INSERT INTO @crew (id, ship) VALUES (1000 + #, 1 + # % 20);
