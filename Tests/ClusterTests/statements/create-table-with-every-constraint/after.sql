SELECT count(*) = 4 FROM information_schema.columns WHERE table_name = '@crew';
