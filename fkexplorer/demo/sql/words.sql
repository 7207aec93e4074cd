-- What all the schemas are filled with. No random() and no now(): two builds hold the same rows.
-- The functions live in pg_temp and go with the session.
SET LOCAL search_path = '';
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, MDY';
SET LOCAL client_min_messages = warning;

CREATE FUNCTION pg_temp.roll(seed text, sides int) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT ('x' || substr(md5(seed), 1, 7))::bit(28)::int % sides
$$;

CREATE FUNCTION pg_temp.uuid_of(seed text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT overlay(overlay(md5(seed) PLACING '4' FROM 13) PLACING 'a' FROM 17)::uuid
$$;

CREATE FUNCTION pg_temp.pick(words text[], n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT words[1 + n % cardinality(words)]
$$;

-- 24 first and 29 last names: the lengths have no common divisor, so the first 696 people all differ.
CREATE FUNCTION pg_temp.first_name(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.pick(ARRAY['Ada', 'Mateo', 'Zoë', 'Kwame', 'Ingrid', 'Ravi', 'Léa', 'Tomasz', 'Yuki', 'Omar',
        'Nadia', 'Björn', 'Chloe', 'Dmitri', 'Amara', 'Felix', 'Sofía', 'Jonas', 'Priya', 'Elif', 'Hugo', 'Mei',
        'Samuel', 'Farah'], n * 5)
$$;

CREATE FUNCTION pg_temp.last_name(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.pick(ARRAY['Okafor', 'Lindqvist', 'Tanaka', 'Moreau', 'Castillo', 'Novak', 'Haddad', 'Fischer',
        'Iyer', 'Brandt', 'Kowalski', 'Rossi', 'Nguyen', 'Petrov', 'Silva', 'Müller', 'Adeyemi', 'Larsen', 'Demir',
        'Walsh', 'Chen', 'Ferrari', 'Jansen', 'Osei', 'Núñez', 'Baker', 'Yamada', 'Åberg', 'Cohen'], n * 11)
$$;

CREATE FUNCTION pg_temp.person(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.first_name(n) || ' ' || pg_temp.last_name(n)
$$;

CREATE FUNCTION pg_temp.login(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT translate(lower(pg_temp.first_name(n) || '.' || pg_temp.last_name(n)), 'ëéöíüúñå', 'eeoiuuna')
$$;

CREATE FUNCTION pg_temp.email(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.login(n) || '@' || pg_temp.pick(ARRAY['example.com', 'example.org', 'mail.example', 'example.net'],
        pg_temp.roll('domain' || n, 4))
$$;

CREATE FUNCTION pg_temp.company(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.pick(ARRAY['Northwind', 'Blue Harbor', 'Cobalt', 'Juniper', 'Lantern', 'Granite', 'Meadowlark',
        'Quill', 'Redwood', 'Saffron', 'Tidewater'], n * 3)
        || ' ' || pg_temp.pick(ARRAY['Labs', 'Studio', 'Foods', 'Logistics', 'Systems', 'Press', 'Robotics'], n * 2)
$$;
