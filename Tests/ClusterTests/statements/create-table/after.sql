SELECT count(*) = 0 FROM @crew;
