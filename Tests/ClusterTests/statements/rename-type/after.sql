SELECT udt_name = '@temper' FROM information_schema.columns WHERE table_name = '@ships' AND column_name = 'mood';
