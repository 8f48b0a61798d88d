UPDATE @ships SET owner = # WHERE id = 1 + # % 20;
