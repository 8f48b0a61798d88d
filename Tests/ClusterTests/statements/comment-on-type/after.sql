SELECT obj_description('@mood'::regtype, 'pg_type') = 'how it feels';
