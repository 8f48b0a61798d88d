SELECT count(*) = 20 FROM @ships WHERE mood IN ('sad', 'ok', 'happy') AND id <= 20;
