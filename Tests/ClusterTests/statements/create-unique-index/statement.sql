CREATE UNIQUE INDEX @one_name ON @ships (name);
