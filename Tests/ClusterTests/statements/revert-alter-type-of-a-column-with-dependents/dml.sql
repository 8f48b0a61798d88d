INSERT INTO @crew (id, ship) VALUES (1000 + #, 1 + # % 20);
UPDATE @crew SET ship = 1 + # % 20 WHERE id = 1 + # % 20;
DELETE FROM @crew WHERE id > 1000 AND id < 1000 + #;
