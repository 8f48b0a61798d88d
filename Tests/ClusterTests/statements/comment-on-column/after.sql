SELECT col_description('@ships'::regclass, 2) = 'painted on';
