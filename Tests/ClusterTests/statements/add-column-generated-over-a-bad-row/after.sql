SELECT count(part) = 19 FROM @ships WHERE id <= 20;
