SELECT column_default IS NULL FROM information_schema.columns WHERE table_name = '@ships' AND column_name = 'port';
