SELECT count(*) = 20 FROM @vessels;
