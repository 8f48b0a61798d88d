SELECT count(*) = 1 FROM pg_constraint WHERE conname = '@owned' AND convalidated;
