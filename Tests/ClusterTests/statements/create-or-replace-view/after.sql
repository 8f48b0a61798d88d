SELECT count(*) = 20 AND sum(port) = 60 FROM @fleet;
