-- The waiting room of a show: who may come to the sale, and in what order.
--
-- Numbers are given in Redis, out of blocks that are reserved here first, and serving moves here
-- before anybody is told; so a Redis that was wiped gives no number twice and throws nobody back.

CREATE TABLE rooms (
  show            integer PRIMARY KEY REFERENCES shows,
  -- The operator's.
  mode            text    NOT NULL DEFAULT 'on' CHECK (mode IN ('off', 'on', 'auto')),
  draws           boolean NOT NULL DEFAULT true,           -- false: in the order of arrival
  opens_at        timestamptz CHECK (opens_at >= '1970-01-01 00:00:00Z' AND opens_at < 'infinity'),
  rate_per_minute integer NOT NULL DEFAULT 600 CHECK (rate_per_minute BETWEEN 1 AND 1000000),
  places_each     integer NOT NULL DEFAULT 1 CHECK (places_each BETWEEN 1 AND 1000),
  admission_ms    bigint  NOT NULL DEFAULT 600000 CHECK (admission_ms BETWEEN 1000 AND 86400000),
  no_show_ms      bigint  NOT NULL DEFAULT 120000 CHECK (no_show_ms BETWEEN 1000 AND 86400000),
  paused          boolean NOT NULL DEFAULT false,
  -- The owner's of the partition (advance_room).
  active          boolean NOT NULL DEFAULT true,           -- bookings need an admission
  issued_upto     integer NOT NULL DEFAULT 0 CHECK (issued_upto BETWEEN 0 AND 10000000),
  serving         integer NOT NULL DEFAULT 0 CHECK (serving BETWEEN 0 AND issued_upto),
  marks           text    NOT NULL DEFAULT '',             -- base/room.h
  opened_ms       bigint  CHECK (opened_ms > 0),
  arrivals        integer CHECK (arrivals BETWEEN 0 AND issued_upto),
  commitment      bytea   NOT NULL CHECK (octet_length(commitment) = 32),
  key             bytea,                                   -- from the opening on
  CONSTRAINT mode_says_active CHECK (CASE mode WHEN 'on' THEN active WHEN 'off' THEN NOT active
                                     ELSE true END),
  CONSTRAINT opened_whole CHECK ((opened_ms IS NULL) = (arrivals IS NULL)
                                 AND (opened_ms IS NULL) = (key IS NULL)),
  CONSTRAINT key_is_committed CHECK (key IS NULL OR sha256(key) = commitment),
  CONSTRAINT serves_when_open CHECK (serving = 0 OR opened_ms IS NOT NULL)
) WITH (fillfactor = 20);

-- The draw's key, until it is published. No program's role may read this.
CREATE TABLE room_keys (
  show integer PRIMARY KEY REFERENCES rooms,
  key  bytea   NOT NULL CHECK (octet_length(key) = 32)
);

-- A draw is held once, serving never goes back, and a number that may have been given stays given.
CREATE FUNCTION room_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.commitment <> OLD.commitment OR OLD.opened_ms IS NOT NULL
     AND (NEW.opened_ms, NEW.arrivals, NEW.key, NEW.draws, NEW.opens_at)
         IS DISTINCT FROM (OLD.opened_ms, OLD.arrivals, OLD.key, OLD.draws, OLD.opens_at) THEN
    RAISE EXCEPTION 'the waiting room has opened: its order stays as it was drawn'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'room_stays';
  END IF;
  IF NEW.serving < OLD.serving OR NEW.issued_upto < OLD.issued_upto THEN
    RAISE EXCEPTION 'a waiting room does not go back'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'room_stays';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER room_stays BEFORE UPDATE ON rooms FOR EACH ROW EXECUTE FUNCTION room_stays();

-- What an operator sets; NULL leaves it as it is, and the first call makes the room.
CREATE FUNCTION set_room(
  p_show integer, p_mode text, p_draws boolean, p_opens_at timestamptz, p_rate_per_minute integer,
  p_places_each integer, p_admission_ms bigint, p_no_show_ms bigint, p_paused boolean)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  secret bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
BEGIN
  INSERT INTO rooms (show, commitment) VALUES (p_show, sha256(secret)) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    INSERT INTO room_keys (show, key) VALUES (p_show, secret);
  END IF;
  UPDATE rooms
  SET mode = coalesce(p_mode, mode), draws = coalesce(p_draws, draws),
      opens_at = coalesce(p_opens_at, opens_at),
      rate_per_minute = coalesce(p_rate_per_minute, rate_per_minute),
      places_each = coalesce(p_places_each, places_each),
      admission_ms = coalesce(p_admission_ms, admission_ms),
      no_show_ms = coalesce(p_no_show_ms, no_show_ms), paused = coalesce(p_paused, paused),
      active = CASE coalesce(p_mode, mode) WHEN 'on' THEN true WHEN 'off' THEN false
               ELSE active AND p_mode IS NULL END
  WHERE show = p_show;
END $$;

-- The same as an operator's action. What it tells is what was asked: the commitment of a new room is
-- made at random, and "now" is another time when it is decided than when it was tried.
CREATE FUNCTION admin_set_room(p_show integer, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  names text[] := ARRAY(SELECT jsonb_object_keys(p_settings));
  may text[] := ARRAY['mode', 'order', 'opens_at', 'rate', 'places_each', 'admission_ms',
                      'no_show_ms', 'paused'];
  was jsonb := (
    SELECT jsonb_build_object('mode', mode, 'order', CASE WHEN draws THEN 'draw' ELSE 'arrival' END,
      'opens_at', opens_at, 'rate', rate_per_minute, 'places_each', places_each,
      'admission_ms', admission_ms, 'no_show_ms', no_show_ms, 'paused', paused)
    FROM rooms WHERE show = p_show);
BEGIN
  IF NOT names <@ may THEN
    PERFORM admin_refuses(format('A waiting room has no "%s" that can be set',
      (SELECT n FROM unnest(names) n WHERE n <> ALL (may) ORDER BY n LIMIT 1)));
  END IF;
  IF p_settings ->> 'order' NOT IN ('draw', 'arrival') THEN
    PERFORM admin_refuses('The order is "draw" or "arrival"');
  END IF;
  PERFORM set_room(p_show, p_settings ->> 'mode', p_settings ->> 'order' = 'draw',
    (p_settings ->> 'opens_at')::timestamptz, (p_settings ->> 'rate')::integer,
    (p_settings ->> 'places_each')::integer, (p_settings ->> 'admission_ms')::bigint,
    (p_settings ->> 'no_show_ms')::bigint, (p_settings ->> 'paused')::boolean);
  RETURN (p_show, (SELECT jsonb_object_agg(n, was -> n) FROM unnest(names) n),
          p_settings)::admin_change;
END $$;

-- How far the owner of the show's partition has come with it. Returns the draw's key once it has
-- opened. The row of the partition is locked against a new owner: what an old one has done is done
-- before that one reads, or is refused.
CREATE FUNCTION advance_room(
  p_partition integer, p_epoch bigint, p_show integer, p_issued_upto integer, p_serving integer,
  p_marks text, p_active boolean, p_opened_ms bigint, p_arrivals integer)
RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  opened bytea;
BEGIN
  PERFORM FROM partitions WHERE partition = p_partition AND epoch = p_epoch FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % has another owner', p_partition USING ERRCODE = 'US001';
  END IF;
  UPDATE rooms r
  SET issued_upto = p_issued_upto, serving = p_serving, marks = p_marks,
      active = CASE r.mode WHEN 'auto' THEN p_active ELSE r.active END,
      opened_ms = p_opened_ms, arrivals = p_arrivals,
      key = CASE WHEN p_opened_ms IS NOT NULL
                 THEN (SELECT k.key FROM room_keys k WHERE k.show = r.show) END
  FROM shows s
  WHERE r.show = p_show AND s.show = r.show AND s.partition = p_partition
  RETURNING r.key INTO opened;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'show % has no waiting room in partition %', p_show, p_partition
      USING ERRCODE = 'US001';
  END IF;
  RETURN opened;
END $$;

-- Which booking an admission was used for: one, ever.
CREATE TABLE admissions (
  show    integer NOT NULL,
  number  integer NOT NULL CHECK (number > 0),
  booking uuid    NOT NULL UNIQUE REFERENCES bookings,
  PRIMARY KEY (show, number)
);

-- Goes with commit_batch, in the same statement and behind it.
CREATE FUNCTION commit_admissions(
  p_partition integer, p_epoch bigint, p_version bigint, p_now_ms bigint,
  a_show integer[], a_number integer[], a_booking uuid[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM partitions p WHERE p.partition = p_partition AND p.epoch = p_epoch
                 AND p.version = p_version) THEN
    RAISE EXCEPTION 'partition % is not at version % of epoch %', p_partition, p_version, p_epoch
      USING ERRCODE = 'US001';
  END IF;
  INSERT INTO admissions (show, number, booking)
  SELECT * FROM unnest(a_show, a_number, a_booking);
END $$;

REVOKE ALL ON FUNCTION room_stays, set_room, admin_set_room, advance_room, commit_admissions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION advance_room, commit_admissions TO usher_allocator;
GRANT SELECT ON rooms, admissions TO usher_allocator;
GRANT SELECT ON rooms TO usher_gateway;
