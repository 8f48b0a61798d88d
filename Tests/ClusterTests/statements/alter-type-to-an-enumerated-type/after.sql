SELECT count(*) = 20 FROM @ships WHERE word = mood AND id <= 20;
