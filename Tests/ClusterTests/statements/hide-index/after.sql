SELECT indexdef LIKE '%visible%' FROM pg_indexes WHERE indexname = '@by_owner';
