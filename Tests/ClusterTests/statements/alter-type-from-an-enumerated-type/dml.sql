INSERT INTO @ships (id, mood, owner) VALUES (1000 + #, 'happy', #);
UPDATE @ships SET owner = owner + 1 WHERE id = 1 + # % 20;
DELETE FROM @ships WHERE id > 1000 AND id < 1000 + #;
