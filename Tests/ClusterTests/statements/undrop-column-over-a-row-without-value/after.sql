SELECT count(*) = 1 FROM information_schema.columns WHERE table_name = '@ships' AND column_name = 'name';
