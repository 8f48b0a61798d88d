SELECT count(*) >= 20 FROM @ships WHERE flag = 'none';
