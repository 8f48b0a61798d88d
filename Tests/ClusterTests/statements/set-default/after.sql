SELECT column_default LIKE '%9%' FROM information_schema.columns WHERE table_name = '@ships' AND column_name = 'port';
