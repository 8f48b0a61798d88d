SELECT * FROM users ORDER BY id
SELECT id, age + 1 AS next, upper(email) FROM users WHERE age < 30 ORDER BY 1
SELECT id FROM users WHERE age BETWEEN 20 AND 30 AND email LIKE '%@x' ORDER BY id DESC
SELECT id FROM users WHERE NOT (age > 25) ORDER BY id
SELECT id FROM users WHERE age <> 30 OR email IS NULL ORDER BY id
SELECT id FROM users WHERE (age, id) = (30, 4)
SELECT id FROM users WHERE id = ANY (ARRAY[1, 2])
SELECT id FROM users WHERE coalesce(age, 0) = 0
SELECT id FROM users WHERE id >= 3 AND id <= 6 AND age IS NOT NULL ORDER BY id
SELECT id FROM users WHERE id = 3 OR id = 5 ORDER BY id
SELECT id FROM users WHERE email IN ('a@x', 'g@x', 'nope') ORDER BY id
SELECT id FROM users WHERE email > 'c' ORDER BY email
SELECT id FROM users WHERE email > 'c' ORDER BY email DESC LIMIT 1
SELECT id FROM users WHERE id = 3.0
SELECT id FROM users WHERE id = 3.5
SELECT id FROM users WHERE age = 30::int8 ORDER BY id
SELECT id FROM users WHERE age = 30.0 ORDER BY id
SELECT id FROM users WHERE age > 24.5 ORDER BY id
SELECT id FROM users WHERE id > 9223372036854775807
SELECT age, count(*), count(email), min(id), max(email) FROM users GROUP BY age ORDER BY age NULLS FIRST
SELECT age % 2, sum(id) FROM users GROUP BY age % 2 ORDER BY 1
SELECT age % 2 AS parity, sum(id) FROM users GROUP BY parity ORDER BY parity DESC
SELECT count(*) FILTER (WHERE age > 25) FROM users
SELECT count(*) + 1, sum(age) / count(age) FROM users
SELECT avg(amount), sum(amount), min(amount), max(amount), count(DISTINCT user_id) FROM orders
SELECT user_id, sum(amount) AS total FROM orders GROUP BY user_id HAVING sum(amount) > 3 ORDER BY total DESC
SELECT sum(age) FROM users HAVING count(*) > 100
SELECT bool_and(age > 10), bool_or(age > 40) FROM users
SELECT 1 FROM users GROUP BY age ORDER BY age
SELECT email, age FROM users GROUP BY id ORDER BY id LIMIT 2
SELECT age FROM users GROUP BY email
SELECT age, count(*) FROM users
SELECT count(*) FROM users WHERE count(*) > 1
SELECT sum(count(*)) FROM users
SELECT DISTINCT age % 10 FROM users ORDER BY 1
SELECT DISTINCT ON (age) age, id FROM users ORDER BY age, id DESC
SELECT DISTINCT age FROM users ORDER BY id
SELECT u.id, o.id FROM users u JOIN orders o ON u.id = o.user_id AND o.amount > 5 ORDER BY 1, 2
SELECT u.id, o.id FROM users u LEFT JOIN orders o ON u.id = o.user_id AND o.amount > 5 ORDER BY 1, 2
SELECT u.id, o.id FROM users u LEFT JOIN orders o ON u.id = o.user_id WHERE o.id IS NULL ORDER BY 1
SELECT u.id, o.id FROM users u RIGHT JOIN orders o ON u.id = o.user_id ORDER BY 2
SELECT u.id, o.id FROM users u CROSS JOIN orders o WHERE u.id = 1 ORDER BY 2
SELECT u.id, o.id FROM users u, orders o WHERE u.id = o.user_id ORDER BY 2
SELECT id, amount FROM users JOIN orders USING (id) ORDER BY id
SELECT * FROM users NATURAL JOIN orders ORDER BY id
SELECT a.id, b.id FROM users a JOIN users b ON a.age = b.age AND a.id < b.id ORDER BY 1, 2
SELECT a.id, b.id, c.id FROM users a JOIN orders b ON b.user_id = a.id JOIN orders c ON c.id = b.id + 1 ORDER BY 2
SELECT u.id, x.total FROM users u JOIN (SELECT user_id, sum(amount) AS total FROM orders GROUP BY user_id) x ON x.user_id = u.id ORDER BY 1
SELECT id FROM users ORDER BY age NULLS FIRST, email DESC NULLS LAST, id
SELECT id FROM users ORDER BY -id LIMIT 3
SELECT id AS x FROM users ORDER BY x OFFSET 6
SELECT id FROM users ORDER BY id LIMIT 0
SELECT id FROM users ORDER BY id LIMIT NULL OFFSET 7
SELECT id FROM users ORDER BY id LIMIT -1
SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE amount > 5) ORDER BY id
SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM orders WHERE user_id IS NOT NULL) ORDER BY id
SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM orders) ORDER BY id
SELECT id FROM users WHERE EXISTS (SELECT 1 FROM orders WHERE user_id = users.id) ORDER BY id
SELECT id FROM users WHERE age = (SELECT max(age) FROM users)
SELECT id FROM users WHERE age > ALL (SELECT age FROM users WHERE id IN (2, 7)) ORDER BY id
SELECT id FROM users WHERE age = ANY (SELECT age FROM users WHERE id IN (2, 7)) ORDER BY id
SELECT id, (SELECT max(amount) FROM orders WHERE user_id = users.id) FROM users ORDER BY id
SELECT id, id IN (SELECT user_id FROM orders) FROM users ORDER BY id
SELECT (SELECT id FROM users WHERE id = 99)
SELECT (SELECT id FROM users)
SELECT (SELECT id, age FROM users WHERE id = 1)
SELECT * FROM (SELECT id, age FROM users WHERE age = 30) s WHERE id > 1 ORDER BY id
WITH adults AS (SELECT id, age FROM users WHERE age >= 25) SELECT count(*), sum(age) FROM adults
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT * FROM a, b
SELECT id FROM users WHERE age = 30 UNION SELECT user_id FROM orders ORDER BY 1
SELECT id FROM users WHERE age = 30 UNION ALL SELECT user_id FROM orders ORDER BY 1
SELECT id FROM users INTERSECT SELECT user_id FROM orders ORDER BY 1
SELECT id FROM users EXCEPT SELECT user_id FROM orders ORDER BY 1
SELECT 1 UNION SELECT 2.5 ORDER BY 1
SELECT 'a' UNION ALL SELECT 1
VALUES (1, 'a'), (2, NULL) ORDER BY 1 DESC
SELECT * FROM (VALUES (1), (2.5)) v(x) ORDER BY x
SELECT * FROM generate_series(3, 1, -1)
SELECT * FROM generate_series(1, 3) a, generate_series(1, 2) b WHERE a > b ORDER BY 1, 2
SELECT * FROM generate_series('2024-01-30'::timestamp, '2024-02-02', '1 day')
SELECT CASE WHEN age > 28 THEN 'old' WHEN age IS NULL THEN 'unknown' ELSE 'young' END AS class, count(*) FROM users GROUP BY 1 ORDER BY 1
SELECT id FROM users WHERE CASE WHEN id = 3 THEN false ELSE 10 / (id - 3) > 2 END ORDER BY id
SELECT string_agg(email, '+' ORDER BY id DESC) FROM users
SELECT string_agg(DISTINCT age::text, ',') FROM users WHERE age = 30
SELECT nosuch FROM users
SELECT id FROM nosuch
SELECT u.nosuch FROM users u
SELECT x.id FROM users u
SELECT id FROM users, orders
SELECT id FROM users WHERE email = 5
SELECT id FROM users WHERE age
SELECT * FROM users ORDER BY 9
SELECT id FROM users LIMIT 'x'
SELECT 1 / (id - 1) FROM users ORDER BY id
SELECT max(id) FROM users WHERE id < 0
SELECT count(*) FROM users u WHERE u.id = (SELECT o.user_id FROM orders o WHERE o.id = u.id)
SELECT o.amount * 2, o.amount / 3, o.amount::int4, round(o.amount) FROM orders o ORDER BY id
SELECT amount FROM orders WHERE amount = 7.25
SELECT amount FROM orders WHERE amount > 7 ORDER BY amount
SELECT id FROM orders WHERE amount::text = '20.00'
SELECT note, length(note) FROM users WHERE note = 'pad'
SELECT users FROM users WHERE id = 1
SELECT users.* FROM users WHERE id = 2
SELECT id FROM users FOR UPDATE
SELECT id id FROM users u WHERE u.id < 2
SELECT row_number() OVER (ORDER BY id) FROM users
SELECT unnest(array[3,1,2])
SELECT unnest(array['a','b']), 1
SELECT unnest(array[1,2]), unnest(array['x','y','z'])
SELECT id, unnest(array[id, id * 10]) FROM users WHERE id < 3 ORDER BY 1, 2
SELECT * FROM unnest(array['a','b']) WITH ORDINALITY AS t(v, n)
SELECT * FROM unnest(array[1,2], array['x']) AS t(a, b)
SELECT u.id, v FROM users u, unnest(array[u.id, u.id + 100]) AS v WHERE u.id <= 2 ORDER BY 1, 2
SELECT generate_subscripts(array['a','b','c'], 1)
SELECT generate_series(1, 3), 'x'
SELECT regexp_matches('foobarbequebazilbarfbonk', '(b[^b]+)(b[^b]+)', 'g')
SELECT regexp_split_to_table('hello world again', '\s+')
SELECT * FROM regexp_matches('abcabd', 'ab.', 'g')
SELECT array_agg(id ORDER BY id DESC) FROM users
SELECT array_agg(age ORDER BY id) FROM users
SELECT string_agg(email, '+' ORDER BY email DESC) FROM users
SELECT array_agg(id) FROM users WHERE false
SELECT age, array_agg(id ORDER BY id) FROM users GROUP BY age ORDER BY age
SELECT id, ARRAY(SELECT o.id FROM orders o WHERE o.user_id = users.id ORDER BY o.id DESC) FROM users ORDER BY id
SELECT id FROM users WHERE id = ANY (ARRAY(SELECT 1)) ORDER BY id
SELECT id FROM users WHERE email ~ '^b' ORDER BY id
SELECT unnest(array[1,2]) WHERE unnest(array[1]) = 1
SELECT id, unnest(array[1, NULL]), generate_series(1, 3) FROM users WHERE id < 3 ORDER BY 1, 3
SELECT count(*) FROM (SELECT generate_series(1, 700), id FROM users WHERE id < 3) s
SELECT id FROM users WHERE id = ANY ('{1,70000}'::int8[]) ORDER BY id
SELECT id FROM orders WHERE amount = ANY ('{7.250,1}'::numeric[]) ORDER BY id
SELECT id FROM users ORDER BY array[id] LIMIT 1
