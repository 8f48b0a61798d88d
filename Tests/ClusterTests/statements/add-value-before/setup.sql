CREATE TYPE @mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE @ships (id int8 PRIMARY KEY, mood @mood NOT NULL DEFAULT 'ok', owner int8);
CREATE INDEX @by_mood ON @ships (mood);
INSERT INTO @ships (id, mood, owner) SELECT n, CASE n % 3 WHEN 0 THEN 'sad'::@mood WHEN 1 THEN 'ok' ELSE 'happy' END, n % 5 FROM generate_series(1, 20) AS n;
