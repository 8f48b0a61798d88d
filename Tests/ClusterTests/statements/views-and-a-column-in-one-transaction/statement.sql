BEGIN;
CREATE TABLE @crew (id int8 PRIMARY KEY, ship int8);
ALTER TABLE @ships ADD COLUMN flag text DEFAULT 'x';
CREATE OR REPLACE VIEW @fleet AS SELECT id, name, flag FROM @ships WHERE id <= 20;
CREATE VIEW @sailors AS SELECT c.id, f.flag FROM @crew c JOIN @fleet f ON f.id = c.ship;
CREATE INDEX @by_owner ON @ships (owner);
COMMIT;
