ALTER TABLE @ships RENAME COLUMN name TO called;
