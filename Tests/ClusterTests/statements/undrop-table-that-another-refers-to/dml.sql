UPDATE @crew SET rank = # WHERE id = 1 + # % 20;
