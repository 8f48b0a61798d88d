SELECT count(*) = 1 FROM pg_database WHERE datname = '@dock';
