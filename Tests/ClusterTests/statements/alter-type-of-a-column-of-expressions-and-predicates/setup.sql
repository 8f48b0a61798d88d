CREATE TABLE @ships (id int8 PRIMARY KEY, name text NOT NULL, owner int8, port int8 DEFAULT 3);
INSERT INTO @ships (id, name, owner) SELECT n, 'ship-' || n, n % 5 FROM generate_series(1, 20) AS n;
CREATE UNIQUE INDEX @twice ON @ships (id, (owner * 2)) WHERE owner >= 0;
CREATE INDEX @shown ON @ships ((owner + port), name);
CREATE INDEX @rich ON @ships (name) INCLUDE (port) WHERE owner > 1;
