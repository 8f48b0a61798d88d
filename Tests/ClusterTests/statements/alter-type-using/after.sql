SELECT count(*) = 20 FROM @ships WHERE owner LIKE 'owner-%' AND id <= 20;
