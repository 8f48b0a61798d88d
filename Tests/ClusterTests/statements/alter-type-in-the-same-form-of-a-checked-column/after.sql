SELECT data_type = 'text' FROM information_schema.columns WHERE table_name = '@ships' AND column_name = 'tag';
