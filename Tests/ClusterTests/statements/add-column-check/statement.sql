ALTER TABLE @ships ADD COLUMN flag int8 DEFAULT 1 CHECK (flag > 0);
