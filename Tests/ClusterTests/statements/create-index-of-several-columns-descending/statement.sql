CREATE INDEX @by_port ON @ships (port DESC, owner) INCLUDE (name);
