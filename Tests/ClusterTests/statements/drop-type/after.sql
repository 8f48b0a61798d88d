SELECT to_regtype('@weather') IS NULL;
