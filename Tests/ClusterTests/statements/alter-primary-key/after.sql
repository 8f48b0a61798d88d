SELECT pg_get_constraintdef(oid) = 'PRIMARY KEY (name)' FROM pg_constraint WHERE conname = '@ships_pkey';
