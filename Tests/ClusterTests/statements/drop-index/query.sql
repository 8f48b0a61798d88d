SELECT (SELECT count(*) FROM @ships WHERE owner >= 0 AND id <= 20) = 20;
