CREATE TABLE users (id int8 PRIMARY KEY, email text UNIQUE, age int4, note varchar(5));
CREATE INDEX users_age_idx ON users (age);
CREATE TABLE orders (id int4 PRIMARY KEY, user_id int8, amount numeric(10,2));
CREATE INDEX orders_user_id_idx ON orders (user_id);
INSERT INTO users VALUES (1, 'a@x', 30, NULL), (2, 'b@x', 25, 'pad'), (3, NULL, NULL, ''), (4, 'd@x', 30, 'x'), (5, 'e@x', 41, NULL), (6, NULL, 25, NULL), (7, 'g@x', 19, NULL), (8, 'h@x', 30, NULL);
INSERT INTO orders VALUES (1, 1, 10.5), (2, 1, 20), (3, 4, 7.25), (4, NULL, 1), (5, 99, 2), (6, 2, 3);
