UPDATE @ships SET port = # WHERE id = 1 + # % 20;
