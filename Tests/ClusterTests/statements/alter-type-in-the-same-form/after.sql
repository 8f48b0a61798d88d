SELECT character_maximum_length = 20 FROM information_schema.columns WHERE table_name = '@ships' AND column_name = 'tag';
