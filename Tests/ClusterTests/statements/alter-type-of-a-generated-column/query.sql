SELECT count(*) = 20 FROM @ships WHERE id <= 20 AND share >= owner;
