SELECT count(*) = 1 FROM pg_sequences WHERE sequencename = '@numbers';
