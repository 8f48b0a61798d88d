CREATE INDEX @shout ON @ships (upper(name));
