SELECT (SELECT count(*) FROM @ships WHERE port >= 0 AND id <= 20) = 20;
