ALTER TABLE @ships ADD CONSTRAINT @owned CHECK (owner >= 0);
