TRUNCATE @crew;
