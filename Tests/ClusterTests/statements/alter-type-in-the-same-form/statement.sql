ALTER TABLE @ships ALTER COLUMN tag TYPE varchar(20);
