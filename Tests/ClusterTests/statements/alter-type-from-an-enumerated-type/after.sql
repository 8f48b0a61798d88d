SELECT count(*) = 7 FROM @ships WHERE mood LIKE 'hap%' AND id <= 20;
