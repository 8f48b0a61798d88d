SELECT to_regclass('@sailors') IS NULL AND to_regclass('@crew') IS NULL;
