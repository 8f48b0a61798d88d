SELECT count(*) = 0 FROM pg_database WHERE datname = '@yard';
