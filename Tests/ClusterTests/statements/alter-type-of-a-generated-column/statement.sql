ALTER TABLE @ships ALTER COLUMN share TYPE numeric;
