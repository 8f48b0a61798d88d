SELECT count(*) > 19 FROM @ships WHERE port = 3;
