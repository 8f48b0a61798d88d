SELECT count(*) = 3 AND to_regtype('@weather') IS NULL FROM information_schema.columns WHERE table_name = '@ships';
