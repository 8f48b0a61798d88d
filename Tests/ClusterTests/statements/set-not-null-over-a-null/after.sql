SELECT is_nullable = 'NO' FROM information_schema.columns WHERE table_name = '@ships' AND column_name = 'owner';
