SELECT udt_schema = '@yard' FROM information_schema.columns WHERE table_name = '@ships' AND column_name = 'mood';
