SELECT (SELECT count(*) FROM @crew) = 0 AND count(*) = 1 FROM pg_indexes WHERE indexname = '@by_owner';
