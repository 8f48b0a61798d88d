SELECT count(*) = 20 AND min(name) = 'ship-1' FROM @fleet;
