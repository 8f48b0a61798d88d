SELECT count(*) = 20 FROM @crew;
