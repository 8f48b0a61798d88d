ALTER TABLE @ships ALTER COLUMN name TYPE int8 USING name::int8;
