DROP INDEX @by_owner;
