CREATE INDEX @by_owner ON @ships (owner);
