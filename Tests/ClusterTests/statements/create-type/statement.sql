CREATE TYPE @weather AS ENUM ('calm', 'storm');
