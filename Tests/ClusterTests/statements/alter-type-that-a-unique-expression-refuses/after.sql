SELECT data_type = 'bigint' FROM information_schema.columns WHERE table_name = '@ships' AND column_name = 'port';
