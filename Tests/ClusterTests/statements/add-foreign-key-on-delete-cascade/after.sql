SELECT count(*) = 1 FROM pg_constraint WHERE conname = '@sails' AND convalidated;
