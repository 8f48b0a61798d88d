SELECT count(*) = 0 FROM pg_attribute WHERE attrelid = '@ships'::regclass AND attname = 'number';
