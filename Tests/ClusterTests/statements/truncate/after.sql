SELECT count(*) < 3 FROM @crew;
