UPDATE @ships SET owner = owner + 1 WHERE id = 1 + # % 20;
