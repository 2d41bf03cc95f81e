-- What operators write is read the same whenever it is read, or refused in a sentence; what is told
-- has its times in UTC wherever Postgres stands; and old deliveries go as fast as new ones come.

-- A show that was, or is to be, at no time there is cannot be read by anybody: neither by the
-- programs, whose times are numbers, nor by who looks at the list in which it stands. NOT VALID: rows
-- that are there already are as they are.
ALTER TABLE shows ADD CONSTRAINT shows_are_in_time CHECK (
  starts_at >= '1970-01-01 00:00:00Z' AND starts_at < '10000-01-01 00:00:00Z') NOT VALID;
ALTER TABLE shows ADD CONSTRAINT shows_end_in_time CHECK (
  ends_at >= '1970-01-01 00:00:00Z' AND ends_at < '10000-01-01 00:00:00Z') NOT VALID;
ALTER TABLE shows ADD CONSTRAINT sales_open_in_time CHECK (
  sales_open_at >= '1970-01-01 00:00:00Z' AND sales_open_at < '10000-01-01 00:00:00Z') NOT VALID;
ALTER TABLE shows ADD CONSTRAINT sales_close_in_time CHECK (
  sales_close_at >= '1970-01-01 00:00:00Z' AND sales_close_at < '10000-01-01 00:00:00Z') NOT VALID;

-- Postgres knows more words for a time than there are in RFC 3339, and "now" is another one when an
-- action is tried than when it is done. (A waiting room's "opens_at" may be "now": 0010_room.sql.)
CREATE FUNCTION admin_reads_times(p_settings jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  wrong text := (
    SELECT min(m.key)
    FROM jsonb_path_query(p_settings, 'strict $.** ? (@.type() == "object")') o,
         jsonb_each(o) m
    WHERE m.key IN ('starts_at', 'ends_at', 'sales_open_at', 'sales_close_at', 'from_at')
      AND m.value <> 'null'
      AND m.value #>> '{}' !~ '^[1-9]\d{3}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d(:?\d\d)?)?)?$');
BEGIN
  IF wrong IS NOT NULL THEN
    PERFORM admin_refuses(format('"%s" is a time like 2035-05-03T19:30:00Z', wrong));
  END IF;
END $$;

-- As in 0018_webhook_admin.sql, with that.
CREATE OR REPLACE FUNCTION admin_apply(p_show integer, p_action text, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  known admin_actions;
  change admin_change;
BEGIN
  SELECT * INTO known FROM admin_actions WHERE action = p_action;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF known.of_catalogue <> (p_show = 2147483647) THEN
    PERFORM admin_refuses('This is not done to that');
  END IF;
  PERFORM admin_reads_times(p_settings);
  EXECUTE 'SELECT * FROM ' || known.does INTO change USING p_show, p_settings;
  RETURN change;
END $$;

-- As in 0009_admin.sql, but 2.0 places are two, as they are for the script that decides it.
CREATE OR REPLACE FUNCTION admin_move_inventory(p_show integer, p_action text, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  number integer := (p_settings ->> 'tier')::numeric;
  n integer := (p_settings ->> 'quantity')::numeric;
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

-- Times are told in UTC, whatever zone the session of who commits has.
ALTER FUNCTION tell_new_bookings() SET timezone = 'UTC';
ALTER FUNCTION tell_changed_bookings() SET timezone = 'UTC';
ALTER FUNCTION tell_offer() SET timezone = 'UTC';

-- What is due is looked for subscription by subscription: letters of which no courier knows where to
-- send them lie there for long, and nobody who looks for webhooks walks past them.
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (subscription, next_at) WHERE next_at IS NOT NULL;

-- As in 0023_webhook_chores.sql, but for that.
CREATE OR REPLACE FUNCTION claim_deliveries(
  p_courier text, p_kinds text[], p_rows integer, p_lease_ms bigint)
RETURNS TABLE (id bigint, attempts integer, kind text, url text, secret text, secret_before text,
               event text, type text, at_ms bigint, subject uuid, data text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  PERFORM do_delivery_chore(1000);
  RETURN QUERY
  WITH due AS (
    SELECT w.id FROM subscriptions s CROSS JOIN LATERAL (
      SELECT d.id, d.next_at FROM deliveries d
      WHERE d.subscription = s.id AND d.next_at <= clock_timestamp()
      ORDER BY d.next_at LIMIT p_rows FOR UPDATE OF d SKIP LOCKED) w
    WHERE s.kind = ANY (p_kinds)
    ORDER BY w.next_at LIMIT p_rows
  ), taken AS (
    UPDATE deliveries d
    SET next_at = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0),
        attempts = d.attempts + 1, courier = p_courier
    FROM due WHERE d.id = due.id RETURNING d.*
  )
  SELECT t.id, t.attempts, s.kind, s.url, s.secret, s.secret_before, t.event, t.type, t.at_ms,
         t.subject, t.data::text
  FROM taken t JOIN subscriptions s ON s.id = t.subscription;
END $$;

-- What was delivered or given up long ago is forgotten, so many at a time; how many there were. So
-- are letters that nobody has tried to send for as long, and for a day at least.
CREATE INDEX deliveries_over ON deliveries (at_ms) WHERE next_at IS NULL;
DROP FUNCTION prune_deliveries;
CREATE FUNCTION prune_deliveries(p_keep_ms bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off AS $$
DECLARE
  count bigint;
BEGIN
  DELETE FROM deliveries WHERE id = ANY (ARRAY(
    SELECT d.id FROM deliveries d
    WHERE d.next_at IS NULL AND d.at_ms < wall_ms() - p_keep_ms
    ORDER BY d.at_ms LIMIT 10000 FOR UPDATE SKIP LOCKED) || ARRAY(
    SELECT w.id FROM subscriptions s CROSS JOIN LATERAL (
      SELECT d.id FROM deliveries d
      WHERE d.subscription = s.id AND d.attempts = 0
        AND d.next_at < clock_timestamp()
                        - make_interval(secs => greatest(p_keep_ms, 86400000) / 1000.0)
      ORDER BY d.next_at LIMIT 10000 FOR UPDATE OF d SKIP LOCKED) w
    WHERE s.kind = 'mail'));
  GET DIAGNOSTICS count = ROW_COUNT;
  RETURN count;
END $$;

REVOKE ALL ON FUNCTION admin_reads_times, prune_deliveries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_deliveries TO usher_courier;
