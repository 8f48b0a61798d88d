SELECT count(*) = 0 FROM pg_indexes WHERE indexname = '@by_name';
