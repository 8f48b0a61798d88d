CREATE TABLE @ships (id int8 PRIMARY KEY, name text NOT NULL, owner int8, port int8 DEFAULT 3);
INSERT INTO @ships (id, name, owner) SELECT n, 'ship-' || n, n % 5 FROM generate_series(1, 20) AS n;
ALTER TABLE @ships ADD CONSTRAINT @owned CHECK (owner >= 0);
ALTER TABLE @ships ADD CONSTRAINT @moored CHECK (owner < 1000000 OR owner + port IS NOT NULL) NOT VALID;
COMMENT ON CONSTRAINT @owned ON @ships IS 'no debts';
