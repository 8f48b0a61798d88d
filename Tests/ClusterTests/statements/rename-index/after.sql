SELECT count(*) = 1 FROM pg_indexes WHERE indexname = '@of_owner';
