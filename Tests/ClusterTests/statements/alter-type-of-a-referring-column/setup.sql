CREATE TABLE @ships (id int8 PRIMARY KEY, name text, up int8 REFERENCES @ships);
INSERT INTO @ships (id, name) SELECT n, 'ship-' || n FROM generate_series(1, 20) AS n;
CREATE TABLE @crew (id int8 PRIMARY KEY, ship int4 CONSTRAINT @sails REFERENCES @ships ON DELETE CASCADE, rank int8 DEFAULT 1);
CREATE INDEX @by_ship ON @crew (ship);
INSERT INTO @crew (id, ship) SELECT n, n FROM generate_series(1, 20) AS n;
