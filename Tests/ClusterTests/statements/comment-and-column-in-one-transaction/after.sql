SELECT col_description('@ships'::regclass, 5) = 'empty' AND obj_description('@ships'::regclass) = 'what sails' AND (SELECT count(*) = 20 FROM @ships WHERE tons = 7 AND id <= 20);
