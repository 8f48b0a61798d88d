CREATE TABLE @ships (id int8 PRIMARY KEY, name text NOT NULL, owner int8, port int8 DEFAULT 3);
INSERT INTO @ships (id, name, owner) SELECT n, 'ship-' || n, n % 5 FROM generate_series(1, 20) AS n;
ALTER TABLE @ships ALTER COLUMN owner TYPE numeric;
UPDATE @ships SET owner = 4.6 WHERE id = 7;
ALTER TABLE @ships ADD CONSTRAINT @few CHECK (owner < 4.7 OR id > 20 OR port <> 3);
