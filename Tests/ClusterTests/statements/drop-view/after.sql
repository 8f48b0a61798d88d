SELECT to_regclass('@fleet') IS NULL;
