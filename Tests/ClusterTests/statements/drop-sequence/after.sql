SELECT count(*) = 0 FROM pg_sequences WHERE sequencename = '@numbers';
