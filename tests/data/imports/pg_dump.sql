--
-- PostgreSQL database dump
--

\restrict Xq7

SET statement_timeout = 0;
SET client_encoding = 'UTF8';

CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $_$
BEGIN
INSERT INTO users (username, password) VALUES ('not.a.user', 'x');
END;
$_$;

CREATE TABLE public.auth_user (
    id integer NOT NULL,
    password character varying(128) NOT NULL,
    last_login timestamp with time zone
);

COPY public.auth_group (id, name) FROM stdin;
1	editors
\.

COPY public.auth_user (id, password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined) FROM stdin;
41	pbkdf2_sha256$1000$saltone$N33eaNy0QUuNTZ3E6heKgLusO8nFjlrDX6lr8iTdcF8=	\N	f	CORP\\mara	\x4d\141ra	Ellingsen	mara@example.org	t	t	2021-03-04 05:06:07.123+00
42	pbkdf2_sha256$1000$salttwo$h1IaUMGpP1EPgfYFsGo/faoHasnViEj2KZkxwJvXW5k=	2024-01-01 00:00:00+01	f	jorn	Jörn	Søe\\Aa	jorn@example.org	f	f	2021-03-04 06:06:07+01
43		\N	f	vesna	Весна	Колар		f	t	2021-03-04 05:06:07+00
\.

SELECT pg_catalog.setval('public.auth_user_id_seq', 43, true);

--
-- PostgreSQL database dump complete
--
