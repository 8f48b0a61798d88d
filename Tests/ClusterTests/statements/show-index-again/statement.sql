ALTER INDEX @by_owner SET (visible = true);
