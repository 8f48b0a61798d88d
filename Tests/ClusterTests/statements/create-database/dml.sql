INSERT INTO @ships (id, name, owner) VALUES (1000 + #, 'new', 1);
UPDATE @ships SET owner = owner + 1 WHERE id = 3;
DELETE FROM @ships WHERE id > 1000 AND id < 1000 + #;
