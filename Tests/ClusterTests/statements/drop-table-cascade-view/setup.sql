CREATE TABLE @ships (id int8 PRIMARY KEY, name text NOT NULL, owner int8, port int8 DEFAULT 3);
INSERT INTO @ships (id, name, owner) SELECT n, 'ship-' || n, n % 5 FROM generate_series(1, 20) AS n;
CREATE TABLE @crew (id int8 PRIMARY KEY, ship int8);
CREATE VIEW @sailors AS SELECT c.id, s.name FROM @crew c JOIN @ships s ON s.id = c.ship;
