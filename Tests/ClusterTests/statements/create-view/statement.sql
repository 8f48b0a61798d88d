CREATE VIEW @fleet (number, called) AS SELECT id, name || '!' FROM @ships WHERE id <= 20;
