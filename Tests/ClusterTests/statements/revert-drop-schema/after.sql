SELECT (SELECT count(*) = 20 FROM @yard.@hulls) AND (SELECT count(*) = 1 FROM pg_namespace WHERE nspname = '@yard');
