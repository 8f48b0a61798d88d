ALTER TABLE @ships ALTER COLUMN owner TYPE numeric;
