SELECT array_agg(enumlabel::text ORDER BY enumsortorder) = '{calm,storm}' FROM pg_enum WHERE enumtypid = '@weather'::regtype;
