ALTER TABLE @ships ADD COLUMN number bigserial;
