CREATE INDEX @odd ON @ships (port) WHERE owner % 2 = 1;
