SELECT data_type = 'USER-DEFINED' FROM information_schema.columns WHERE table_name = '@ships' AND column_name = 'word';
