ALTER INDEX @by_owner SET (visible = false);
