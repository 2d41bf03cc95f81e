-- What an operator does to a webhook of which a million deliveries lie about is one step, however
-- many there are: it is done in the queue, tried first and then committed, with locks that everybody
-- who books waits for. The rows themselves are the couriers' to go through, bit by bit.

-- What is to be done to the deliveries of a subscription, from here up to there.
CREATE TABLE delivery_chores (
  subscription bigint PRIMARY KEY,
  behind       bigint NOT NULL DEFAULT 0,  -- up to this one it is done
  upto         bigint                      -- deliver again what was given up; NULL: forget them all
);

-- Rows of a subscription that is gone are nobody's until a courier takes them away. Its number comes
-- never again, and while it goes no batch is under way that could add one (admin_begin_telling).
ALTER TABLE deliveries DROP CONSTRAINT deliveries_subscription_fkey;

CREATE FUNCTION do_delivery_chore(p_rows integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  chore delivery_chores;
  slice bigint[];
BEGIN
  SELECT * INTO chore FROM delivery_chores LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  slice := ARRAY(SELECT d.id FROM deliveries d
                WHERE d.subscription = chore.subscription AND d.id > chore.behind
                  AND (chore.upto IS NULL OR d.id <= chore.upto)
                ORDER BY d.id LIMIT p_rows);
  IF chore.upto IS NULL THEN
    DELETE FROM deliveries WHERE id = ANY (slice);
  ELSE
    WITH again AS (
      UPDATE deliveries SET next_at = clock_timestamp(), attempts = 0
      WHERE id = ANY (slice) AND next_at IS NULL AND delivered_at IS NULL
      RETURNING id
    )
    DELETE FROM delivery_attempts a USING again WHERE a.delivery = again.id;
  END IF;
  IF cardinality(slice) < p_rows THEN
    DELETE FROM delivery_chores WHERE subscription = chore.subscription;
  ELSE
    UPDATE delivery_chores SET behind = slice[p_rows] WHERE subscription = chore.subscription;
  END IF;
END $$;

-- As in 0014_notify.sql, with a bit of what else there is to do.
CREATE OR REPLACE FUNCTION claim_deliveries(
  p_courier text, p_kinds text[], p_rows integer, p_lease_ms bigint)
RETURNS TABLE (id bigint, attempts integer, kind text, url text, secret text, secret_before text,
               event text, type text, at_ms bigint, subject uuid, data text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  PERFORM do_delivery_chore(1000);
  IF NOT EXISTS (SELECT FROM deliveries d WHERE d.next_at <= clock_timestamp()) THEN
    RETURN;
  END IF;
  RETURN QUERY
  WITH due AS (
    SELECT d.id FROM deliveries d JOIN subscriptions s ON s.id = d.subscription
    WHERE d.next_at <= clock_timestamp() AND s.kind = ANY (p_kinds)
    ORDER BY d.next_at LIMIT p_rows FOR UPDATE OF d SKIP LOCKED
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

CREATE OR REPLACE FUNCTION admin_unsubscribe(p_kind text, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  was subscriptions;
BEGIN
  PERFORM admin_knows_only(p_settings, ARRAY['webhook']);
  PERFORM admin_begin_telling();
  was := admin_subscription(p_kind, (p_settings ->> 'webhook')::bigint);
  DELETE FROM subscriptions WHERE id = was.id;
  INSERT INTO delivery_chores (subscription) VALUES (was.id)
  ON CONFLICT (subscription) DO UPDATE SET behind = 0, upto = NULL;
  PERFORM tell_or_not();
  RETURN (NULL, admin_told_subscription(was),
          CASE p_kind WHEN 'mail' THEN '{"mail": false}'::jsonb
                      ELSE jsonb_build_object('webhook', was.id, 'enabled', false) END)::admin_change;
END $$;

-- Deliver again what was given up, or one that is named; also where the receiver had said 410: only
-- then have triggers to be woken. How many there are is not told: couriers go through them.
CREATE OR REPLACE FUNCTION admin_replay(p_settings jsonb) RETURNS admin_change
LANGUAGE plpgsql AS $$
DECLARE
  was subscriptions;
  number bigint := (p_settings ->> 'webhook')::bigint;
  named bigint := (p_settings ->> 'delivery')::bigint;
BEGIN
  PERFORM admin_knows_only(p_settings, ARRAY['webhook', 'delivery']);
  IF EXISTS (SELECT FROM subscriptions WHERE id = number AND disabled_at IS NOT NULL) THEN
    PERFORM admin_begin_telling();
  END IF;
  was := admin_subscription('webhook', number);
  IF named IS NOT NULL AND NOT EXISTS (SELECT FROM deliveries
                                       WHERE id = named AND subscription = was.id) THEN
    PERFORM admin_refuses('The webhook has no such delivery');
  END IF;
  UPDATE subscriptions SET disabled_at = NULL, disabled_why = '' WHERE id = was.id;
  PERFORM tell_or_not();
  IF named IS NULL THEN
    INSERT INTO delivery_chores (subscription, upto)
    SELECT was.id, coalesce(max(id), 0) FROM deliveries WHERE subscription = was.id
    ON CONFLICT (subscription) DO UPDATE SET behind = 0, upto = excluded.upto;
  ELSE
    UPDATE deliveries SET next_at = clock_timestamp(), attempts = 0, delivered_at = NULL
    WHERE id = named AND next_at IS NULL;
    DELETE FROM delivery_attempts WHERE delivery = named AND FOUND;
  END IF;
  RETURN (NULL, jsonb_build_object('webhook', was.id, 'enabled', was.disabled_at IS NULL),
          jsonb_build_object('webhook', was.id, 'delivery', named, 'enabled', true))::admin_change;
END $$;

REVOKE ALL ON FUNCTION do_delivery_chore FROM PUBLIC;
