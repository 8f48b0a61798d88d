SELECT to_regclass('@fleet') IS NULL AND to_regclass('@names') IS NULL;
