SELECT count(*) = 2 FROM pg_sequences WHERE sequencename LIKE '@crew%';
