SELECT count(*) = 1 FROM pg_indexes WHERE indexname = '@by_name';
