SELECT increment_by = 7 FROM pg_sequences WHERE sequencename = '@numbers';
