CREATE INDEX CONCURRENTLY @by_owner ON @ships (owner);
