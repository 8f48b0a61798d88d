SELECT count(*) = 2 FROM pg_constraint WHERE conrelid = '@ships'::regclass AND contype = 'c';
