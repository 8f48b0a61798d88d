INSERT INTO @ships (id, name) VALUES (2000 + #, 'new');
INSERT INTO @crew (id, ship) VALUES (1000 + #, 2000 + #);
UPDATE @crew SET ship = 1 + # % 20 WHERE id = 1 + # % 20;
DELETE FROM @ships WHERE id > 2000 AND id < 2000 + #;
