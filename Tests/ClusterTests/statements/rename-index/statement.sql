ALTER INDEX @by_owner RENAME TO @of_owner;
