SELECT convalidated = false FROM pg_constraint WHERE conname = '@aboard';
