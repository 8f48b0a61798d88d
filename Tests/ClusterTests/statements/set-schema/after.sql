SELECT count(*) = 4 FROM @yard.@ships WHERE owner = 2;
