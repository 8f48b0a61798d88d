SELECT count(*) = 0 FROM pg_constraint WHERE conname = '@sails';
