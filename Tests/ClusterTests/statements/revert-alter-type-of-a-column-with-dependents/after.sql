SELECT data_type = 'integer' FROM information_schema.columns WHERE table_name = '@crew' AND column_name = 'ship';
