SELECT (SELECT count(*) > 19 FROM @ships WHERE port = 3) AND (SELECT count(*) = 1 FROM pg_indexes WHERE indexname = '@by_port');
