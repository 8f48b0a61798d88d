SELECT count(*) = 20 AND min(called) = 'ship-1!' FROM @fleet;
