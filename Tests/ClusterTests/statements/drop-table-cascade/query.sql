SELECT count(*) = 20 FROM @crew WHERE id <= 20;
