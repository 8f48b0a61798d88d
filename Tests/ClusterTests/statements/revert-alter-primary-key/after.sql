SELECT pg_get_constraintdef(oid) = 'PRIMARY KEY (id)' FROM pg_constraint WHERE conname = '@ships_pkey';
