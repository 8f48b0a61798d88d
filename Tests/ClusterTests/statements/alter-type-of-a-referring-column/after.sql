SELECT data_type = 'bigint' FROM information_schema.columns WHERE table_name = '@crew' AND column_name = 'ship';
