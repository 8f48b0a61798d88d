CREATE TABLE @ships (id int8 PRIMARY KEY, name text NOT NULL, owner int8, port int8 DEFAULT 3);
INSERT INTO @ships (id, name, owner) SELECT n, 'ship-' || n, n % 5 FROM generate_series(1, 20) AS n;
ALTER TABLE @ships ADD COLUMN tag varchar(10) DEFAULT 't';
ALTER TABLE @ships ADD CONSTRAINT @tagged CHECK (tag <> '' AND length(tag) < 9);
CREATE INDEX @loud ON @ships (upper(tag)) WHERE tag <> 'z';
