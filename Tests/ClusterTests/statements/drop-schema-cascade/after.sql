SELECT (SELECT count(*) = 0 FROM pg_namespace WHERE nspname = '@yard') AND to_regclass('@yard.@hulls') IS NULL;
