SELECT obj_description('@ships'::regclass, 'pg_class') = 'what sails';
