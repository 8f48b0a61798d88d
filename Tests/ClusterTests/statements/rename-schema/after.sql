SELECT count(*) = 20 FROM @dock.@ships;
