CREATE TABLE @ships (id int8 PRIMARY KEY, name text NOT NULL, owner int8, port int8 DEFAULT 3);
INSERT INTO @ships (id, name, owner) SELECT n, 'ship-' || n, n % 5 FROM generate_series(1, 20) AS n;
ALTER TABLE @ships ADD COLUMN share int8 GENERATED ALWAYS AS (owner * 1.5) STORED;
ALTER TABLE @ships ADD CONSTRAINT @shared CHECK (share >= 0);
CREATE INDEX @by_share ON @ships (share);
