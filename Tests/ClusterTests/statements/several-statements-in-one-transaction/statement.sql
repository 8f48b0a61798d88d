BEGIN;
CREATE TABLE @crew (id int8 PRIMARY KEY, ship int8 REFERENCES @ships);
ALTER TABLE @ships ADD COLUMN flag text DEFAULT 'x';
CREATE INDEX @by_owner ON @ships (owner, flag);
ALTER TABLE @ships RENAME COLUMN port TO harbour;
COMMIT;
