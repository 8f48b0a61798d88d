SELECT (SELECT count(*) = 0 FROM @boats WHERE owner = 2) AND (SELECT count(*) = 2 FROM pg_indexes WHERE tablename = '@boats') AND col_description('@boats'::regclass, 4) = 'at home';
