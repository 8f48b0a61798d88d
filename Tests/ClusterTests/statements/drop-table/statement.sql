DROP TABLE @crew;
