SELECT count(*) = 6 FROM @ships WHERE mood = 'blue' AND id <= 20;
