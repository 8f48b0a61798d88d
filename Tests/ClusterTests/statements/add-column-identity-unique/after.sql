SELECT count(*) = count(DISTINCT number) FROM @ships;
