ALTER TABLE @ships ADD CONSTRAINT @one_name UNIQUE (name, owner);
