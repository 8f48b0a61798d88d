CREATE TABLE @crew (id int8 PRIMARY KEY, name text);
