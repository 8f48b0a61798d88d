SELECT (SELECT count(*) FROM @ships WHERE owner > 1 AND name LIKE 'ship-%') = (SELECT count(*) FROM @ships WHERE coalesce(owner, 0) > 1 AND name LIKE 'ship-%');
