--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: harbor_planks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.harbor_planks (
    id bigint NOT NULL,
    ship integer,
    weight double precision,
    label character varying(20),
    heavy boolean GENERATED ALWAYS AS ((weight > (10)::double precision)) STORED
);


--
-- Name: COLUMN harbor_planks.weight; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.harbor_planks.weight IS 'in tons';


--
-- Name: harbor_ships; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.harbor_ships (
    id integer NOT NULL,
    name text NOT NULL,
    tons numeric(10,2) DEFAULT 1.5,
    built date,
    CONSTRAINT harbor_ships_tons CHECK ((tons > (0)::numeric))
);


--
-- Name: TABLE harbor_ships; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.harbor_ships IS 'what floats';


--
-- Name: harbor_heavy; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.harbor_heavy AS
 SELECT p.id,
    s.name
   FROM (public.harbor_planks p
     JOIN public.harbor_ships s ON ((s.id = p.ship)))
  WHERE p.heavy;


--
-- Name: harbor_planks_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.harbor_planks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: harbor_planks_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.harbor_planks_id_seq OWNED BY public.harbor_planks.id;


--
-- Name: harbor_ships_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.harbor_ships_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: harbor_ships_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.harbor_ships_id_seq OWNED BY public.harbor_ships.id;


--
-- Name: harbor_ships id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.harbor_ships ALTER COLUMN id SET DEFAULT nextval('public.harbor_ships_id_seq'::regclass);


--
-- Name: harbor_planks id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.harbor_planks ALTER COLUMN id SET DEFAULT nextval('public.harbor_planks_id_seq'::regclass);


--
-- Data for Name: harbor_planks; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.harbor_planks VALUES (1, 1, 3.25, 'a', DEFAULT);
INSERT INTO public.harbor_planks VALUES (2, 1, 12, 'b', DEFAULT);
INSERT INTO public.harbor_planks VALUES (3, 3, 7, NULL, DEFAULT);
INSERT INTO public.harbor_planks VALUES (4, NULL, 1, 'd', DEFAULT);


--
-- Data for Name: harbor_ships; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.harbor_ships VALUES (1, 'Phaiax', 1.50, '2020-01-02');
INSERT INTO public.harbor_ships VALUES (2, 'Argo''s sister', 1.50, NULL);
INSERT INTO public.harbor_ships VALUES (3, 'Pequod', 1.50, '1851-10-18');


--
-- Name: harbor_planks_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.harbor_planks_id_seq', 4, true);


--
-- Name: harbor_ships_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.harbor_ships_id_seq', 3, true);


--
-- Name: harbor_planks harbor_planks_label_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.harbor_planks
    ADD CONSTRAINT harbor_planks_label_key UNIQUE (label);


--
-- Name: harbor_planks harbor_planks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.harbor_planks
    ADD CONSTRAINT harbor_planks_pkey PRIMARY KEY (id);


--
-- Name: harbor_ships harbor_ships_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.harbor_ships
    ADD CONSTRAINT harbor_ships_pkey PRIMARY KEY (id);


--
-- Name: harbor_planks_ship; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX harbor_planks_ship ON public.harbor_planks USING btree (ship, weight DESC);


--
-- Name: harbor_ships_lower; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX harbor_ships_lower ON public.harbor_ships USING btree (lower(name)) WHERE (tons > (1)::numeric);


--
-- Name: harbor_planks harbor_planks_ship_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.harbor_planks
    ADD CONSTRAINT harbor_planks_ship_fkey FOREIGN KEY (ship) REFERENCES public.harbor_ships(id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--


