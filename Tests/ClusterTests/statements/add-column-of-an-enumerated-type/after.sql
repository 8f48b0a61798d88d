SELECT count(*) >= 20 FROM @ships WHERE was = 'sad';
