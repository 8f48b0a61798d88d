SELECT count(*) = 0 FROM @ships;
