SELECT count(*) = 20 FROM @navy;
