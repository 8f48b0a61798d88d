CREATE TABLE @boats (LIKE @ships INCLUDING ALL, oars int8);
