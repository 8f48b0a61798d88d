SELECT count(*) IN (0, 20) FROM @ships;
