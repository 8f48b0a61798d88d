CREATE TABLE @ships (id int8 PRIMARY KEY, name text NOT NULL, owner int8, port int8 DEFAULT 3);
INSERT INTO @ships (id, name, owner) SELECT n, 'ship-' || n, n % 5 FROM generate_series(1, 20) AS n;
ALTER TABLE @ships ALTER COLUMN port TYPE numeric USING id + 0.2;
UPDATE @ships SET port = 6.9 WHERE id = 6;
CREATE UNIQUE INDEX @twice ON @ships ((port * 2)) WHERE port < 100;
