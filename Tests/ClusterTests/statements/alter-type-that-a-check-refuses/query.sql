SELECT count(*) = 20 AND sum(id) = 210 FROM @ships WHERE id <= 20;
