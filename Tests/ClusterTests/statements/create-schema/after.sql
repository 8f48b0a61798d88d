SELECT count(*) = 1 FROM pg_namespace WHERE nspname = '@yard';
