SELECT (SELECT count(*) FROM @ships WHERE owner % 2 = 1 AND port >= 0) + (SELECT count(*) FROM @ships WHERE owner % 2 = 0 AND port >= 0) = (SELECT count(*) FROM @ships);
