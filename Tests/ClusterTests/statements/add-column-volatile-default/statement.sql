ALTER TABLE @ships ADD COLUMN luck float8 NOT NULL DEFAULT random();
