-- What operators do: decided in the show's queue like everything else, committed with its batch,
-- and written down.

ALTER TABLE shows DROP CONSTRAINT shows_state_check,
  ADD CONSTRAINT shows_state_check CHECK (state IN ('draft', 'open', 'paused', 'closed')),
  -- The last number stands for the list of shows itself (CATALOGUE_SHOW in base/request.h).
  ADD CONSTRAINT shows_have_a_number CHECK (show < 2147483647);

-- Who did what, when, and what it was like before and after. Written in the transaction that does
-- it, by nobody but commit_admin and whoever owns the tables.
CREATE TABLE audit (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  request  uuid   UNIQUE,                 -- NULL: by hand, without a queue (usherctl show create)
  at_ms    bigint NOT NULL,               -- the allocator's clock
  actor    text   NOT NULL CHECK (octet_length(actor) BETWEEN 1 AND 128),
  action   text   NOT NULL CHECK (action ~ '^[a-z][a-z.-]{0,31}$'),
  show     integer,                       -- NULL: of no show
  booking  uuid,
  settings jsonb  NOT NULL,
  before   jsonb,
  after    jsonb,
  answer   bytea                          -- base/answer.h; NULL where booking_changes has it
);
CREATE INDEX audit_by_show ON audit (show, id);

CREATE TYPE admin_change AS (show integer, before jsonb, after jsonb);

-- What is not allowed, in a sentence.
CREATE FUNCTION admin_refuses(p_why text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', p_why USING ERRCODE = 'US002';
END $$;

CREATE FUNCTION admin_show_row(p_show integer) RETURNS shows LANGUAGE plpgsql AS $$
DECLARE
  found_show shows;
BEGIN
  SELECT * INTO found_show FROM shows WHERE show = p_show;
  IF NOT FOUND THEN
    PERFORM admin_refuses('There is no such show');
  END IF;
  RETURN found_show;
END $$;

-- The columns of a show that an operator may change, each by its name.
CREATE FUNCTION admin_change_show(p_show integer, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  names text[] := ARRAY(SELECT jsonb_object_keys(p_settings));
  may text[] := ARRAY['name', 'category', 'starts_at', 'ends_at', 'sales_open_at', 'sales_close_at',
    'state', 'max_per_user', 'max_per_booking', 'hold_ms', 'hold_ms_max', 'offer_ms', 'series',
    'payment'];
  was shows := admin_show_row(p_show);
  s shows := jsonb_populate_record(was, p_settings);
BEGIN
  IF NOT names <@ may THEN
    PERFORM admin_refuses(format('A show has no "%s" that can be changed',
      (SELECT n FROM unnest(names) n WHERE n <> ALL (may) ORDER BY n LIMIT 1)));
  END IF;
  UPDATE shows SET name = s.name, category = s.category, starts_at = s.starts_at,
    ends_at = s.ends_at, sales_open_at = s.sales_open_at, sales_close_at = s.sales_close_at,
    state = s.state, max_per_user = s.max_per_user, max_per_booking = s.max_per_booking,
    hold_ms = s.hold_ms, hold_ms_max = s.hold_ms_max, offer_ms = s.offer_ms, series = s.series,
    payment = s.payment
  WHERE show = p_show;
  RETURN (p_show, (SELECT jsonb_object_agg(n, to_jsonb(was) -> n) FROM unnest(names) n),
          (SELECT jsonb_object_agg(n, to_jsonb(s) -> n) FROM unnest(names) n))::admin_change;
END $$;

CREATE FUNCTION admin_steps(p_show integer, p_tier integer) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('sold_permille', sold_permille,
    'from_at', from_at, 'price', price)) ORDER BY step), '[]')
  FROM price_steps WHERE show = p_show AND tier = p_tier
$$;

CREATE FUNCTION admin_set_steps(p_show integer, p_tier integer, p_steps jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF jsonb_typeof(p_steps) <> 'array' OR jsonb_array_length(p_steps) > 16 THEN
    PERFORM admin_refuses('A tier has at most 16 price steps');
  END IF;
  DELETE FROM price_steps WHERE show = p_show AND tier = p_tier;
  INSERT INTO price_steps (show, tier, step, sold_permille, from_at, price)
  SELECT p_show, p_tier, n, (step ->> 'sold_permille')::integer,
         (step ->> 'from_at')::timestamptz, (step ->> 'price')::bigint
  FROM jsonb_array_elements(p_steps) WITH ORDINALITY e (step, n);
END $$;

-- {"tier", "price", "steps"}: both or one of them.
CREATE FUNCTION admin_price_tier(p_show integer, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  number integer := (p_settings ->> 'tier')::integer;
  was jsonb := (SELECT jsonb_build_object('tier', tier, 'price', price, 'steps',
                                          admin_steps(p_show, tier))
                FROM tiers WHERE show = p_show AND tier = number);
BEGIN
  IF was IS NULL THEN
    PERFORM admin_refuses('The show has no such tier');
  END IF;
  UPDATE tiers SET price = coalesce((p_settings ->> 'price')::bigint, price)
  WHERE show = p_show AND tier = number;
  IF p_settings ? 'steps' THEN
    PERFORM admin_set_steps(p_show, number, p_settings -> 'steps');
  END IF;
  RETURN (p_show, was, (SELECT jsonb_build_object('tier', tier, 'price', price, 'steps',
                                                  admin_steps(p_show, tier))
                        FROM tiers WHERE show = p_show AND tier = number))::admin_change;
END $$;

CREATE FUNCTION admin_insert_tiers(p_show integer, p_tiers jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  tier jsonb;
  number integer := 0;
BEGIN
  IF p_tiers IS NULL OR jsonb_typeof(p_tiers) <> 'array'
     OR jsonb_array_length(p_tiers) NOT BETWEEN 1 AND 32 THEN
    PERFORM admin_refuses('A show has 1 to 32 tiers');
  END IF;
  FOR tier IN SELECT * FROM jsonb_array_elements(p_tiers) LOOP
    number := number + 1;
    INSERT INTO tiers (show, tier, code, price, capacity, blocked, available)
    VALUES (p_show, number, tier ->> 'code', (tier ->> 'price')::bigint,
            (tier ->> 'capacity')::integer, coalesce((tier ->> 'blocked')::integer, 0),
            (tier ->> 'capacity')::integer - coalesce((tier ->> 'blocked')::integer, 0));
    PERFORM admin_set_steps(p_show, number, coalesce(tier -> 'steps', '[]'));
  END LOOP;
END $$;

-- A show with tiers that are counters. Its number is the next one unless the settings say which.
CREATE FUNCTION admin_create_show(p_settings jsonb) RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  s shows := jsonb_populate_record(NULL::shows, p_settings - '{tiers,show}'::text[]);
BEGIN
  s.show := coalesce((p_settings ->> 'show_id')::integer,
                     (SELECT coalesce(max(show), 0) + 1 FROM shows));
  IF NOT EXISTS (SELECT FROM partitions WHERE partition = s.partition) THEN
    PERFORM admin_refuses('There is no such partition');
  END IF;
  INSERT INTO shows (show, slug, name, category, partition, starts_at, ends_at, sales_open_at,
    sales_close_at, state, max_per_user, max_per_booking, hold_ms, hold_ms_max, offer_ms, currency,
    series, payment)
  VALUES (s.show, s.slug, s.name, coalesce(s.category, 'event'), s.partition, s.starts_at,
    s.ends_at, s.sales_open_at, s.sales_close_at, coalesce(s.state, 'draft'), s.max_per_user,
    coalesce(s.max_per_booking, 10), coalesce(s.hold_ms, 600000),
    coalesce(s.hold_ms_max, 2 * coalesce(s.hold_ms, 600000)), s.offer_ms,
    coalesce(s.currency, 'USD'), s.series, coalesce(s.payment, 'optional'));
  PERFORM admin_insert_tiers(s.show, p_settings -> 'tiers');
  RETURN (s.show, NULL, jsonb_build_object('show', s.slug, 'show_id', s.show, 'partition',
          s.partition, 'state', coalesce(s.state, 'draft')))::admin_change;
END $$;

CREATE FUNCTION admin_add_partition(p_settings jsonb) RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  number integer := (p_settings ->> 'partition')::integer;
BEGIN
  INSERT INTO partitions (partition) VALUES (number);
  RETURN (NULL, NULL, jsonb_build_object('partition', number))::admin_change;
END $$;

-- Where a show was before: who decided what was asked earlier. Written by commit_admin alone.
CREATE TABLE show_moves (
  id             bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  show           integer NOT NULL REFERENCES shows,
  from_partition integer NOT NULL REFERENCES partitions,
  to_partition   integer NOT NULL REFERENCES partitions,
  at_ms          bigint  NOT NULL,
  from_version   bigint  NOT NULL,          -- the batch that decided it
  to_version     bigint  NOT NULL,          -- of the partition that it came to …
  skipped        bigint  NOT NULL           -- … which skipped so many to get there
);
CREATE INDEX show_moves_by_show ON show_moves (show, id);

-- {"to": partition}. What it does to the partitions is commit_admin's.
CREATE FUNCTION admin_move_show(p_show integer, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  wanted integer := (p_settings ->> 'to')::integer;
  was shows := admin_show_row(p_show);
  has_room boolean := false;
BEGIN
  IF wanted IS NULL OR wanted = was.partition THEN
    PERFORM admin_refuses('"to" must be another partition than its own');
  END IF;
  IF NOT EXISTS (SELECT FROM partitions WHERE partition = wanted
                 AND heartbeat > clock_timestamp() - interval '10 seconds') THEN
    PERFORM admin_refuses('That partition is not there, or no allocator has it now');
  END IF;
  IF to_regclass('rooms') IS NOT NULL THEN
    EXECUTE 'SELECT EXISTS (SELECT FROM rooms WHERE show = $1 AND mode <> ''off'')'
      INTO has_room USING p_show;
  END IF;
  IF has_room THEN
    PERFORM admin_refuses('A show with a waiting room stays where it is');
  END IF;
  UPDATE shows SET partition = wanted WHERE show = p_show;
  RETURN (p_show, jsonb_build_object('partition', was.partition),
          jsonb_build_object('partition', wanted))::admin_change;
END $$;

-- The show leaves its partition, in the transaction of the batch that decides it. Whoever owns the
-- other partition loses it by this: its commits raise, and it takes the partition anew, with this
-- show in it. So the new owner begins from what is committed here; at no lower version, so that
-- readers of the show see versions grow; and at no earlier time, so that a deadline that has passed
-- here has passed there.
CREATE FUNCTION admin_hand_over(p_show integer, p_from integer, p_to integer, p_version bigint,
                                p_now_ms bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  was partitions;
  is_now partitions;
BEGIN
  SELECT * INTO STRICT was FROM partitions WHERE partition = p_to FOR UPDATE;
  UPDATE partitions
  SET epoch = epoch + 1, version = greatest(version, p_version), now_ms = greatest(now_ms, p_now_ms)
  WHERE partition = p_to RETURNING * INTO is_now;
  INSERT INTO show_moves (show, from_partition, to_partition, at_ms, from_version, to_version, skipped)
  VALUES (p_show, p_from, p_to, p_now_ms, p_version, is_now.version,
          greatest(is_now.version - was.version - 1, 0));
  -- The journal says what every version was; of this one there is nothing to say.
  IF is_now.version > was.version THEN
    INSERT INTO batches (partition, version, epoch, cursor, now_ms, answers)
    VALUES (p_to, is_now.version, is_now.epoch, is_now.cursor, is_now.now_ms, '\x90');
  END IF;
END $$;

-- Whatever is about rules. Adding an action is adding a row here, and a route to it.
CREATE FUNCTION admin_apply(p_show integer, p_action text, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql SET timezone = 'UTC' AS $$
BEGIN
  IF (p_action IN ('show.create', 'partition.add')) <> (p_show = 2147483647) THEN
    PERFORM admin_refuses('This is not done to that');
  END IF;
  RETURN CASE p_action
    WHEN 'show.create' THEN admin_create_show(p_settings)
    WHEN 'partition.add' THEN admin_add_partition(p_settings)
    WHEN 'show.change' THEN admin_change_show(p_show, p_settings)
    WHEN 'show.open' THEN admin_change_show(p_show, '{"state": "open"}')
    WHEN 'show.pause' THEN admin_change_show(p_show, '{"state": "paused"}')
    WHEN 'show.close' THEN admin_change_show(p_show, '{"state": "closed"}')
    WHEN 'show.room' THEN admin_set_room(p_show, p_settings) -- 0010_room.sql
    WHEN 'show.move' THEN admin_move_show(p_show, p_settings)
    WHEN 'tier.price' THEN admin_price_tier(p_show, p_settings)
    ELSE NULL END;
END $$;

-- What an action would do, before it is decided: within a transaction that can only be rolled back.
-- NULL: the script decides it.
CREATE TABLE previews (show integer);
CREATE FUNCTION preview_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a preview is never committed';
END $$;
CREATE CONSTRAINT TRIGGER preview_is_rolled_back AFTER INSERT ON previews
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION preview_ends();

CREATE FUNCTION admin_preview(p_show integer, p_action text, p_settings text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  change admin_change;
BEGIN
  INSERT INTO previews VALUES (p_show);
  IF p_action ~ '^(inventory|seats|booking)\.' THEN
    RETURN NULL;
  END IF;
  IF jsonb_typeof(p_settings::jsonb) <> 'object' THEN
    PERFORM admin_refuses('Settings are a JSON object');
  END IF;
  change := admin_apply(p_show, p_action, p_settings::jsonb);
  IF change IS NULL THEN
    PERFORM admin_refuses(format('There is nothing called "%s" to be done', p_action));
  END IF;
  RETURN change.after;
END $$;

-- The figures of tiers, as the script says them.
CREATE FUNCTION admin_tiers(p_show integer, p_tiers integer[]) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('tiers', jsonb_agg(jsonb_build_object('tier', tier, 'capacity',
    capacity, 'available', available, 'held', held, 'pending', pending, 'confirmed', confirmed,
    'blocked', blocked) ORDER BY tier))
  FROM tiers WHERE show = p_show AND tier = ANY (p_tiers)
$$;

CREATE FUNCTION admin_move_inventory(p_show integer, p_action text, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  number integer := (p_settings ->> 'tier')::integer;
  n integer := (p_settings ->> 'quantity')::integer;
  more integer := CASE p_action WHEN 'inventory.add' THEN n WHEN 'inventory.remove' THEN -n ELSE 0 END;
  block integer := CASE p_action WHEN 'inventory.block' THEN n WHEN 'inventory.unblock' THEN -n
                   ELSE 0 END;
  was jsonb := admin_tiers(p_show, ARRAY[number]);
BEGIN
  UPDATE tiers SET capacity = capacity + more, available = available + more - block,
                   blocked = blocked + block
  WHERE show = p_show AND tier = number AND kind = 'counter';
  RETURN (p_show, was, admin_tiers(p_show, ARRAY[number]))::admin_change;
END $$;

-- commit_seats has moved the seats before this; the figures of their tiers follow.
CREATE FUNCTION admin_move_seats(p_show integer, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  numbers integer[] := ARRAY(
    SELECT DISTINCT s.tier FROM jsonb_array_elements_text(p_settings -> 'seats') p
    JOIN seats s ON s.show = p_show AND s.position = p::integer);
  was jsonb := admin_tiers(p_show, numbers);
BEGIN
  UPDATE tiers t SET available = f.available, blocked = f.blocked
  FROM (SELECT s.tier, count(*) FILTER (WHERE s.status = 0) AS available,
               count(*) FILTER (WHERE s.status = 4) AS blocked
        FROM seats s WHERE s.show = p_show AND s.tier = ANY (numbers) GROUP BY s.tier) f
  WHERE t.show = p_show AND t.tier = f.tier;
  RETURN (p_show, was, admin_tiers(p_show, numbers))::admin_change;
END $$;

-- Goes with commit_batch, in the same statement and behind it and commit_seats. What is done is what
-- the script says of it, or nothing is.
--
--   a_booking, a_before  NULL unless it is about a booking: then the others have changed it
--   a_told               what it is like afterwards
--   a_answer             NULL where booking_changes has it
CREATE FUNCTION commit_admin(
  p_partition integer, p_epoch bigint, p_version bigint, p_now_ms bigint,
  a_request uuid[], a_show integer[], a_actor text[], a_action text[], a_settings text[],
  a_booking uuid[], a_before text[], a_told text[], a_answer bytea[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a record;
  change admin_change;
  fits boolean;
BEGIN
  IF NOT EXISTS (SELECT FROM partitions p WHERE p.partition = p_partition AND p.epoch = p_epoch
                 AND p.version = p_version) THEN
    RAISE EXCEPTION 'partition % is not at epoch % and version %', p_partition, p_epoch, p_version
      USING ERRCODE = 'US001';
  END IF;
  FOR a IN SELECT * FROM unnest(a_request, a_show, a_actor, a_action, a_settings, a_booking,
                                a_before, a_told, a_answer)
           AS r (request, show, actor, action, settings, booking, before, told, answer) LOOP
    change := CASE
      WHEN a.booking IS NOT NULL THEN (a.show, a.before::jsonb, a.told::jsonb)::admin_change
      WHEN a.action ~ '^inventory\.' THEN
        admin_move_inventory(a.show, a.action, a.settings::jsonb)
      WHEN a.action ~ '^seats\.' THEN admin_move_seats(a.show, a.settings::jsonb)
      ELSE admin_apply(a.show, a.action, a.settings::jsonb) END;
    fits := batch_expects('what an operator did: ' || a.action,
                          (change.after = a.told::jsonb)::integer, 1);
    IF a.action = 'show.move' THEN
      PERFORM admin_hand_over(a.show, p_partition, (change.after ->> 'partition')::integer,
                              p_version, p_now_ms);
    END IF;
    INSERT INTO audit (request, at_ms, actor, action, show, booking, settings, before, after, answer)
    VALUES (a.request, p_now_ms, a.actor, a.action, change.show, a.booking, a.settings::jsonb,
            change.before, change.after, a.answer);
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION admin_refuses, admin_show_row, admin_change_show, admin_steps,
  admin_set_steps, admin_price_tier, admin_insert_tiers, admin_create_show,
  admin_add_partition, admin_move_show, admin_hand_over, admin_apply,
  preview_ends, admin_preview, admin_tiers, admin_move_inventory, admin_move_seats, commit_admin
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin_preview, commit_admin TO usher_allocator;
GRANT SELECT ON audit, show_moves TO usher_allocator, usher_gateway;
