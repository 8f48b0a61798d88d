CREATE TABLE @ships (id int8 PRIMARY KEY, name text NOT NULL, owner int8, port int8 DEFAULT 3);
INSERT INTO @ships (id, name, owner) SELECT n, 'ship-' || n, n % 5 FROM generate_series(1, 20) AS n;
CREATE TABLE @crew (id int8 PRIMARY KEY, ship int4 CONSTRAINT @sails REFERENCES @ships CHECK (ship > 0), n int4);
CREATE INDEX @next ON @crew ((ship + 1)) WHERE ship < 1000;
INSERT INTO @crew (id, ship) SELECT n, n FROM generate_series(1, 20) AS n;
ALTER TABLE @crew ALTER COLUMN ship TYPE int8;
