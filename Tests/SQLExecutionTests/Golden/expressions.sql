1
2147483648
9223372036854775808
-9223372036854775808
1.50
1e10
.5
'abc'
null
true
1 + 1
2147483647 + 1
2147483647::int8 + 1
9223372036854775807 + 1
9223372036854775807::int8 + 1
(-2147483648)::int4 * -1
- (-2147483648)::int4
32767::int2 + 1::int2
32767::int2 + 1
7 / 2
-7 / 2
7 % -3
-7 % 3
1 / 0
1 % 0
1.0 / 0
1.0::float8 / 0
1 / 3.0
10 / 4.0
1.0 / 3
2.0 / 3
100000000 / 3.0
1 / 7.000000000000000000000000001
0.0001 / 3
1e100 / 3
9999999999999999999999 * 9999999999999999999999
1.23 * 4.567
1.5 + 2.25
3.00 - 1
3.00 % 0.7
-7.5 % 2
'NaN'::numeric
'NaN'::numeric = 'NaN'::numeric
'Infinity'::numeric
'-Infinity'::numeric + 'Infinity'::numeric
1.5::numeric(10,4)
123.456::numeric(5,2)
1234.5::numeric(5,2)
0.005::numeric(3,2)
12345::numeric(5,-2)
12350::numeric(5,-2)
round(2.5)
round(-2.5)
round(2.5::float8)
round(3.5::float8)
round(123.456, 1)
round(123.456, -1)
round(155, -1)
trunc(123.456, 1)
trunc(-1.7)
floor(-1.5)
ceil(-1.5)
ceil(1.1)
floor(1.9::float8)
abs(-5)
abs(-5.5)
sign(-3.2)
sign(4)
mod(7, 3)
mod(7.5, 2)
div(7.5, 2)
power(2, 10)
power(2.0, 10)
power(2, 0.5)
power(2.0, 0.5)
power(2.5, 3)
power(10.0, -2)
2 ^ 10
2.0 ^ 3
power(0, -1)
power(-8, 0.3333)
sqrt(2)
sqrt(2.0)
sqrt(16.00)
sqrt(-1)
sqrt(0.0)
sqrt(1234567890.1234)
exp(1::float8)
exp(0::float8)
ln(2::float8)
ln(0)
ln(-1)
log(100::float8)
log(1000.0)
pi()
0.1::float8 + 0.2::float8
1e15::float8
123456789012345::float8
1e14::float8
1e-4::float8
1e-5::float8
1.5e300::float8 * 1e300::float8
1e-300::float8 * 1e-300::float8
1::float4 / 3
1234567::float4
123456::float4
0.1::float4
0.1::float4::float8
0.1::float4::numeric
1.0::float8 / 3
(1.0::float8 / 3)::numeric
'NaN'::float8
'Infinity'::float8
'-Infinity'::float8
'-0'::float8
'NaN'::float8 = 'NaN'::float8
'NaN'::float8 > 'Infinity'::float8
2.5::int4
3.5::int4
-2.5::numeric::int4
(-2.5)::numeric::int4
2.5::float8::int4
3.5::float8::int4
1e10::float8::int4
1e10::numeric::int4
40000::int2
3000000000::int4
'NaN'::numeric::int4
'12'::int4
' 12 '::int4
'12a'::int4
''::int4
'99999999999'::int4
'99999'::int2
'9223372036854775808'::int8
'1e5'::numeric
'1.5e-3'::numeric
'abc'::numeric
'.5'::numeric
'5.'::numeric
'1.5'::float8
'abc'::float8
'1e400'::float8
'1e-400'::float8
'1e40'::float4
true::int4
5::bool
0::bool
't'::bool
'yes'::bool
'off'::bool
'o'::bool
'maybe'::bool
true::text
'2'::text || 3
1 || 'a'
'a' || 'b'
'a' || null
1 || 2
'x' || true
'abc'::varchar(2)
'abc'::char(5) || 'd'
'abc'::char(2)
length('abc'::char(5))
length('häß')
octet_length('häß')
char_length('')
upper('häx')
lower('ABC')
initcap('hello wORLD foo_bar')
substring('hello' from 2 for 3)
substring('hello' from 0 for 3)
substring('hello', 2)
substring('hello' from 2 for -1)
substr('hello', -1, 4)
trim('  a b  ')
trim(both 'x' from 'xxaxx')
trim(leading 'xy' from 'xyxa')
rtrim('abc   ')
ltrim('xxabc', 'x')
replace('aXbXc', 'X', '--')
position('lo' in 'hello')
position('' in 'hello')
strpos('hello', 'z')
left('hello', 2)
left('hello', -2)
right('hello', 2)
right('hello', -2)
repeat('ab', 3)
repeat('ab', -1)
reverse('abc')
lpad('5', 3, '0')
rpad('5', 3)
lpad('hello', 2)
split_part('a,b,c', ',', 2)
split_part('a,b,c', ',', -1)
split_part('a,b,c', ',', 0)
translate('12345', '143', 'ax')
chr(65)
ascii('A')
md5('hello')
md5('')
starts_with('hello', 'he')
to_hex(255)
concat('a', 1, null, 2.5)
concat_ws(',', 'a', null, 'b')
quote_literal('it''s')
quote_ident('Foo')
encode('\x123456'::bytea, 'hex')
encode('hello'::bytea, 'base64')
decode('aGVsbG8=', 'base64')
decode('12 34', 'hex')
'abc' like 'a%'
'abc' like '_b_'
'abc' like 'b%'
'a%c' like 'a\%c'
'abc' not like 'a%'
'ABC' ilike 'a%'
'abc' like 'abc\'
'a_c' like 'a#_c' escape '#'
'abc' = 'ABC'
'a' < 'B'
'a' < 'b'
1 = 1.0
1 = 1::float8
1 < 2.5
1 <> 2
'1' = 1
1 = 'a'
'a' = 1.5
null = null
null is null
1 is distinct from null
null is distinct from null
1 is not distinct from 1
true and null
false and null
true or null
false or null
not null::bool
null::bool is true
null::bool is unknown
true is not false
1 in (1, 2)
3 in (1, 2)
3 in (1, null)
3 not in (1, null)
1 in (1.0, 2)
'a' in ('a', 'b')
2 between 1 and 3
2 not between 1 and 3
2 between symmetric 3 and 1
case when 1 = 1 then 'a' else 'b' end
case 2 when 1 then 'one' when 2 then 'two' end
case when false then 1 end
case when true then 1 else 2.5 end
case when true then 'a' else 1 end
coalesce(null, 1, 2)
coalesce(null, null)
coalesce(1, 2.5)
nullif(1, 1)
nullif(1, 2)
nullif('a', 'b')
greatest(1, 3, 2)
greatest(1, null, 2.5)
least('b', 'a')
greatest(null, null)
'\x0102ff'::bytea
'abc'::bytea
'a\\b'::bytea
'a\001'::bytea
'\x0'::bytea
'\xzz'::bytea
'\x01'::bytea || '\x02'::bytea
length('\x0102'::bytea)
substring('\x010203'::bytea from 2 for 1)
'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid
'A0EEBC999C0B4EF8BB6D6BB9BD380A11'::uuid
'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'::uuid
'a0eebc99'::uuid
'2024-02-29'::date
'2023-02-29'::date
'20240229'::date
'Feb 29, 2024'::date
'29-Feb-2024'::date
'2/29/2024'::date
'infinity'::date
'epoch'::date
'0044-03-15 BC'::date
'2024-13-01'::date
'garbage'::date
''::date
'2024-01-31'::date + 1
'2024-03-01'::date - '2024-02-01'::date
'2024-01-31'::date + interval '1 month'
'2024-01-01'::date - 1
'2024-01-01 12:34:56.789'::timestamp
'2024-01-01T12:34:56Z'::timestamptz
'2024-01-01 12:34:56+02'::timestamptz
'2024-01-01 12:34:56+05:30'::timestamptz
'2024-01-01 12:34:56+02'::timestamp
'2024-01-01'::timestamp
'2024-01-01 24:00:00'::timestamp
'2024-01-01 25:00:00'::timestamp
'2024-01-01 3:04 PM'::timestamp
'infinity'::timestamp
'-infinity'::timestamptz
'99999-01-01'::timestamp
'294277-01-01'::timestamp
'2024-01-01 00:00:00.1234567'::timestamp
'nonsense'::timestamp
'2024-03-31'::timestamp - interval '1 month'
'2024-03-31 10:00'::timestamp + interval '1 day 2 hours'
'2024-03-31 10:00'::timestamp - '2024-03-30 09:00'::timestamp
'2024-01-01'::date = '2024-01-01'::timestamp
'2024-01-01'::date < '2024-01-01 00:00:01+00'::timestamptz
'2024-01-01 10:00'::timestamp::date
'2024-01-01'::date::timestamptz
'2024-01-01 10:00'::timestamp::timestamptz
interval '1 year 2 months 3 days 4 hours 5 minutes 6.7 seconds'
interval '1.5 hours'
interval '1.5 months'
interval '-1 day'
interval '1 day -1 hour'
interval '-1 month +2 days'
interval '1:02:03'
interval '2 weeks'
interval 'P1Y2M3DT4H5M6S'
interval '90 minutes ago'
interval '0'
interval '1 fortnight'
interval '1 day' * 2.5
interval '1 month' / 2
interval '1 day' + interval '1 hour'
- interval '1 day'
interval '30 days' = interval '1 month'
interval '24 hours' = interval '1 day'
extract(year from timestamp '2024-02-29 12:34:56.789')
extract(epoch from timestamp '2024-02-29 12:34:56.789')
extract(second from timestamp '2024-02-29 12:34:56.789')
extract(milliseconds from timestamp '2024-02-29 12:34:56.789')
extract(dow from date '2024-02-29')
extract(isodow from date '2024-03-03')
extract(doy from date '2024-12-31')
extract(week from date '2024-12-30')
extract(isoyear from date '2024-12-30')
extract(quarter from date '2024-05-01')
extract(century from date '2000-12-31')
extract(decade from date '1999-12-31')
extract(millennium from date '2001-01-01')
extract(hour from date '2024-01-01')
extract(epoch from interval '1 year 1 month 1 day 1 second')
extract(day from interval '40 days 5 hours')
extract(foo from timestamp '2024-01-01')
date_part('month', timestamp '2024-02-29')
date_trunc('month', timestamp '2024-02-29 12:34:56')
date_trunc('week', timestamp '2024-02-29 12:34:56')
date_trunc('quarter', timestamp '2024-05-29 12:34:56')
date_trunc('hour', timestamptz '2024-02-29 12:34:56+00')
date_trunc('century', timestamp '2024-02-29')
date_trunc('decade', timestamp '2024-02-29')
date_trunc('hour', interval '3 days 02:47:33')
date_trunc('nope', timestamp '2024-02-29')
age(timestamp '2024-03-01', timestamp '2023-01-15')
age(timestamp '2023-01-15', timestamp '2024-03-01')
make_date(2024, 2, 29)
make_date(2023, 2, 29)
to_timestamp(0)
to_timestamp(1700000000.5)
pg_typeof(1)
pg_typeof(1.5)
pg_typeof(1 + 2.5)
pg_typeof('a' || 'b')
pg_typeof(1::int2 + 1)
pg_typeof(now())
pg_typeof(null)
pg_typeof('x')
pg_typeof(sum(1))
pg_typeof(avg(1))
1 & 3
5 | 2
5 # 1
~5
1 << 4
-16 >> 2
1 + 'a'
1 + '2'
'1' + '2'
true + 1
nosuch(1)
length(1)
1 + null
'a'::int4 + 1
1::uuid
'2024-01-01'::date::int4
1 and true
not 1
case when 1 then 2 end
count(*)
sum(1)
sum(1.5)
sum(2147483647)
avg(2)
avg(2.5)
avg(1::float8)
min('a'::text)
max(3)
bool_and(true)
string_agg('a', ',')
count(null)
sum(null::int4)
min(true)
sum('a'::text)
max('2024-01-01'::date)
'abc' ~ 'b'
'abc' ~ '^b'
'abc' !~ 'B'
'abc' ~* 'B'
'abc' !~* 'B'
null ~ 'a'
'abc' ~ null
'ships' ~ '^(ships)$'
'foobar' ~ 'o{2}b'
'foobar' ~ '(?i)FOO'
'a.c' ~ '***=a.c'
'abc' ~ '***=a.c'
regexp_match('foobarbequebaz', 'ba.')
regexp_match('foobarbequebaz', '(bar)(beque)')
regexp_match('foobarbequebaz', '(bar)(x)?')
regexp_match('foobar', '(foo|foobar)')
regexp_match('XY1234Z', 'Y*([0-9]{1,3})')
regexp_match('XY1234Z', 'Y*?([0-9]{1,3})')
regexp_match('abc01234xyz', '(?:(.*?)(\d+)(.*)){1,1}')
regexp_match('abc01234xyz', '(.*)(\d+)(.*)')
regexp_match('abc01234xyz', '(.*?)(\d+)(.*)')
regexp_match('aaa', '(a*)(a*)')
regexp_match('aaa', '(a*?)(a*)')
regexp_match('abab', '(ab)*')
regexp_match('', '(a*)*')
regexp_match('', '(a)?')
regexp_match('abcd', '(a|ab)(c|bcd)(d*)')
regexp_match('foo bar', '\mb\w+\M')
regexp_match('foo bar', '\Bo')
regexp_match('price: 10$', '\d+(?=\$)')
regexp_match('price: 10', '(?<=: )\d+')
regexp_match('ab12', '(?<!b)\d')
regexp_match('ab', 'a(?!b)')
regexp_match('x]y', '[]y]+')
regexp_match('a-z', '[a\-]+')
regexp_match('A1_', '[[:alpha:][:digit:]]+')
regexp_match('A1_', '[^[:alpha:]]+')
regexp_match(E'a\nb', 'a.b', 'n')
regexp_match(E'a\nb', '^b', 'n')
regexp_match(E'a\nb', '^b', 'w')
regexp_match('a b', 'a b', 'x')
regexp_match('ab', 'a  b # text', 'x')
regexp_match('a{1', 'a{1')
regexp_match('aé', '\w+')
regexp_match('ab', '(?:a|b)+')
regexp_match('ab', 'a|')
regexp_match('ab', '\x61b')
regexp_match('ab', '\u0061b')
regexp_match('a\b', 'a\\b')
regexp_match('abc', '(?:)')
'a' ~ '('
'a' ~ ')'
'a' ~ '['
'a' ~ '*a'
'a' ~ 'a**'
'a' ~ 'a{2,1}'
'a' ~ 'a{256}'
'a' ~ '[b-a]'
'a' ~ '[[:nothing:]]'
'a' ~ '\'
'a' ~ '\q'
'a' ~ '(?z)a'
regexp_replace('foobarbaz', 'b..', 'X')
regexp_replace('foobarbaz', 'b..', 'X', 'g')
regexp_replace('foobarbaz', 'b(..)', 'X\1Y', 'g')
regexp_replace('foobarbaz', 'b(..)', '[\&]', 'g')
regexp_replace('abc', 'x*', '-', 'g')
regexp_replace('A PostgreSQL function', 'a|e|i|o|u', 'X', 1, 0, 'i')
regexp_replace('A PostgreSQL function', 'a|e|i|o|u', 'X', 1, 3, 'i')
regexp_replace('abc', 'b', '\\')
regexp_replace('abc', 'b', 'x', 'z')
regexp_like('Hello World', 'world$', 'i')
regexp_count('ABCABCAXYaxy', 'A.', 1, 'i')
regexp_count('ABCABCAXYaxy', 'A.')
regexp_count('abc', 'b', 0)
regexp_instr('number of your street, town zip, FR', '[^,]+', 1, 2)
regexp_instr('ABCDEFGHI', '(c..)(...)', 1, 1, 0, 'i', 2)
regexp_instr('ABCDEFGHI', '(c..)(...)', 1, 1, 1, 'i', 2)
regexp_instr('abc', 'x')
regexp_instr('abc', 'a', 1, 0)
regexp_substr('number of your street, town zip, FR', '[^,]+', 1, 2)
regexp_substr('ABCDEFGHI', '(c..)(...)', 1, 1, 'i', 2)
regexp_substr('abc', 'x')
regexp_split_to_array('the quick  brown', '\s+')
regexp_split_to_array('the quick', '\s*')
regexp_split_to_array('', 'a')
regexp_match('abc', 'b', 'g')
substring('foobar' from 'o.b')
substring('foobar' from 'o(.)b')
substring('foobar' from 'x')
substring('foobar' similar '%#"o_b#"%' escape '#')
substring('foobar' from '#"o_b#"%' for '#')
'abc' similar to 'abc'
'abc' similar to 'a'
'abc' similar to '%(b|d)%'
'abc' similar to '(b|c)%'
'-abc-' similar to '%\mabc\M%'
'abc' not similar to 'abc'
'a.c' similar to 'a.c'
'abc' similar to 'a.c'
'a_c' similar to 'a#_c' escape '#'
array[1,2,3]
array['a','b c','NULL',null,'']
array[true,false]
array[1,2]::text[]
'{1,2,3}'::int4[]
'{1, 2 ,NULL}'::int4[]
'{a,"b\"c"}'::text[]
'{1,x}'::int4[]
'1,2'::int4[]
(array[10,20,30])[2]
(array[10,20,30])[4]
array_length(array[1,2,3], 1)
array_upper(array[1,2,3], 1)
array_length('{}'::int4[], 1)
cardinality(array[1,2,3])
array_to_string(array['a',null,'c'], ',')
array_to_string(array['a',null,'c'], ',', '*')
array_to_string(array[1,2], '-')
string_to_array('a,b,,c', ',')
string_to_array('a,b,,c', ',', '')
string_to_array('abc', null)
array[1,2] || array[3]
array[1,2] || 3
0 || array[1,2]
array_position(array['a','b'], 'b')
2 = any (array[1,2])
3 = any ('{1,2}'::int4[])
3 = any ('{1,NULL}'::int4[])
3 <> all ('{1,2}'::int4[])
array(select 1)
array(select x from generate_series(3, 1, -1) x order by x)
array(select 1 where false)
array[1,2] = array[1,2]
pg_typeof(array[1])
format('%s and %I and %L', 'a', 'b c', 'd''e')
format('%2$s %1$s %%', 'a', 'b')
format_type(23, null)
format_type(1043, 14)
format_type(1700, 655366)
format_type(1009, null)
format_type(0, null)
format_type(99999, null)
pg_size_pretty(10::int8)
pg_size_pretty(10240::int8)
pg_size_pretty(1073741824::int8)
json_build_object('a', 1, 'b', true, 'c', 'x"y', 'd', null)
'int4'::regtype
'timestamptz'::regtype::text
23::oid::regtype
'nothing'::regtype
1259::oid::regclass
'pg_class'::regclass::oid
to_regclass('nothing')
1.0 = ANY ('{1.00}'::numeric[])
1.5 = ANY ('{1,2}'::int4[])
1::float8 = ANY ('{1.0,2.5}'::numeric[])
0.1::float8 = ANY ('{0.1,NULL}'::float8[])
7::numeric = ANY ('{1,2,NULL}'::int2[])
300000::int8 = ANY ('{1,2}'::int2[])
300000 <> ALL ('{1,2}'::int2[])
3000000000 = ANY (ARRAY[1, 3000000000])
2::int2 = ANY ('{1,2}'::int8[])
array[1,2] = array[1,2]
array['a'] <> array['b']
array[10] < array[9]
