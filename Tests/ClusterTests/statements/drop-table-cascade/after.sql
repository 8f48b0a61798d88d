SELECT count(*) = 0 FROM pg_tables WHERE tablename = '@ships';
