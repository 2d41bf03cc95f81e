-- Subscriptions are an operator's business like any other: decided in the queue, written down in the
-- audit with the batch that does it (commit_admin), under the name of whose token it was.

-- A secret is made here and told once it is committed, by see_secret; it stands in no
-- request, no answer and no audit.
ALTER TABLE subscriptions ADD COLUMN secret_at timestamptz NOT NULL DEFAULT now();

-- The number of the next subscription. A row and not a sequence: an action is tried first and rolled
-- back (admin_preview), and must come to the same when it is done.
CREATE TABLE subscription_numbers (last bigint NOT NULL);
INSERT INTO subscription_numbers SELECT coalesce(max(id), 0) FROM subscriptions;
ALTER TABLE subscriptions ALTER COLUMN id DROP IDENTITY;

DROP FUNCTION subscribe, unsubscribe, rotate_secret, replay;

CREATE FUNCTION new_secret() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT 'whsec_' || encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64')
$$;

-- Who puts the triggers to sleep or wakes them waits for the batches under way. It does so before it
-- touches a subscription, which those may be about to look at: or each would wait for the other.
CREATE FUNCTION admin_begin_telling() RETURNS void LANGUAGE sql AS $$
  LOCK TABLE bookings, payments, refunds, shows, tiers, waitlist IN SHARE ROW EXCLUSIVE MODE
$$;

CREATE FUNCTION admin_subscription(p_kind text, p_number bigint) RETURNS subscriptions
LANGUAGE plpgsql AS $$
DECLARE
  found subscriptions;
BEGIN
  SELECT * INTO found FROM subscriptions
  WHERE kind = p_kind AND (p_kind = 'mail' OR id = p_number) FOR UPDATE;
  IF found.id IS NULL THEN
    PERFORM admin_refuses(CASE p_kind WHEN 'mail' THEN 'Nobody is written to'
                                      ELSE 'There is no such webhook' END);
  END IF;
  RETURN found;
END $$;

-- What of it may be seen by whoever reads the audit.
CREATE FUNCTION admin_told_subscription(s subscriptions) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE s.kind
    WHEN 'mail' THEN jsonb_build_object('mail', s.disabled_at IS NULL, 'events', s.events)
    ELSE jsonb_build_object('webhook', s.id, 'url', s.url, 'events', s.events,
                            'enabled', s.disabled_at IS NULL) END
$$;

CREATE FUNCTION admin_events(p_settings jsonb) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  events jsonb := coalesce(p_settings -> 'events', '["*"]');
BEGIN
  IF jsonb_typeof(events) <> 'array' OR jsonb_array_length(events) NOT BETWEEN 1 AND 64
     OR EXISTS (SELECT FROM jsonb_array_elements(events) e
                WHERE jsonb_typeof(e) <> 'string'
                   OR e #>> '{}' !~ '^(\*|[a-z_]{1,32}\.(\*|[a-z_]{1,32}))$') THEN
    PERFORM admin_refuses('"events" is 1 to 64 types, like "booking.confirmed", "sale.*" or "*"');
  END IF;
  RETURN ARRAY(SELECT jsonb_array_elements_text(events));
END $$;

CREATE FUNCTION admin_knows_only(p_settings jsonb, p_names text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  unknown text := (SELECT n FROM jsonb_object_keys(p_settings) n WHERE n <> ALL (p_names)
                   ORDER BY n LIMIT 1);
BEGIN
  IF unknown IS NOT NULL THEN
    PERFORM admin_refuses(format('There is no "%s" to be said here', unknown));
  END IF;
END $$;

CREATE FUNCTION admin_subscribe(p_kind text, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  made subscriptions;
BEGIN
  PERFORM admin_knows_only(p_settings, CASE p_kind WHEN 'mail' THEN ARRAY['events']
                                                   ELSE ARRAY['url', 'events'] END);
  IF (SELECT count(*) FROM subscriptions) >= 100 THEN
    PERFORM admin_refuses('There are 100 subscriptions, and there can be no more');
  END IF;
  IF p_kind = 'webhook' AND (coalesce(p_settings ->> 'url', '') !~ '^https?://[^[:space:]]+$'
                             OR octet_length(p_settings ->> 'url') > 1024) THEN
    PERFORM admin_refuses('"url" begins with https:// or http:// and has at most 1024 bytes');
  END IF;
  PERFORM admin_begin_telling();
  UPDATE subscription_numbers SET last = last + 1 RETURNING last INTO STRICT made.id;
  INSERT INTO subscriptions (id, kind, url, events, secret)
  VALUES (made.id, p_kind, coalesce(p_settings ->> 'url', ''), admin_events(p_settings),
          CASE p_kind WHEN 'mail' THEN '' ELSE new_secret() END)
  RETURNING * INTO made;
  PERFORM tell_or_not();
  RETURN (NULL, NULL, admin_told_subscription(made))::admin_change;
END $$;

CREATE FUNCTION admin_unsubscribe(p_kind text, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  was subscriptions;
BEGIN
  PERFORM admin_knows_only(p_settings, ARRAY['webhook']);
  PERFORM admin_begin_telling();
  was := admin_subscription(p_kind, (p_settings ->> 'webhook')::bigint);
  DELETE FROM subscriptions WHERE id = was.id;
  PERFORM tell_or_not();
  RETURN (NULL, admin_told_subscription(was),
          CASE p_kind WHEN 'mail' THEN '{"mail": false}'::jsonb
                      ELSE jsonb_build_object('webhook', was.id, 'enabled', false) END)::admin_change;
END $$;

-- Another secret; the one before goes on signing beside it until the next change.
CREATE FUNCTION admin_rotate_secret(p_settings jsonb) RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  was subscriptions := admin_subscription('webhook', (p_settings ->> 'webhook')::bigint);
BEGIN
  PERFORM admin_knows_only(p_settings, ARRAY['webhook']);
  UPDATE subscriptions
  SET secret_before = secret, secret = new_secret(), secret_at = clock_timestamp()
  WHERE id = was.id;
  RETURN (NULL, NULL, jsonb_build_object('webhook', was.id))::admin_change;
END $$;

-- Deliver again what was given up, or one that is named; also where the receiver had said 410. How
-- many there are is not told: couriers go on meanwhile.
CREATE FUNCTION admin_replay(p_settings jsonb) RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  was subscriptions;
  named bigint := (p_settings ->> 'delivery')::bigint;
BEGIN
  PERFORM admin_knows_only(p_settings, ARRAY['webhook', 'delivery']);
  PERFORM admin_begin_telling();
  was := admin_subscription('webhook', (p_settings ->> 'webhook')::bigint);
  IF named IS NOT NULL AND NOT EXISTS (SELECT FROM deliveries
                                       WHERE id = named AND subscription = was.id) THEN
    PERFORM admin_refuses('The webhook has no such delivery');
  END IF;
  UPDATE subscriptions SET disabled_at = NULL, disabled_why = '' WHERE id = was.id;
  PERFORM tell_or_not();
  WITH again AS (
    UPDATE deliveries SET next_at = clock_timestamp(), attempts = 0, delivered_at = NULL
    WHERE subscription = was.id AND next_at IS NULL
      AND CASE WHEN named IS NULL THEN delivered_at IS NULL ELSE id = named END
    RETURNING id
  )
  DELETE FROM delivery_attempts a USING again WHERE a.delivery = again.id;
  RETURN (NULL, jsonb_build_object('webhook', was.id, 'enabled', was.disabled_at IS NULL),
          jsonb_build_object('webhook', was.id, 'delivery', named, 'enabled', true))::admin_change;
END $$;

-- Whatever is about rules: how it is done, with the show as $1 and the settings as $2. Adding an
-- action is adding a row, and a route to it.
CREATE TABLE admin_actions (
  action       text    PRIMARY KEY,
  of_catalogue boolean NOT NULL,          -- done to the list of shows, else to one of them
  does         text    NOT NULL
);
INSERT INTO admin_actions VALUES
  ('show.create',    true,  'admin_create_show($2)'),
  ('partition.add',  true,  'admin_add_partition($2)'),
  ('show.change',    false, 'admin_change_show($1, $2)'),
  ('show.open',      false, 'admin_change_show($1, ''{"state": "open"}'')'),
  ('show.pause',     false, 'admin_change_show($1, ''{"state": "paused"}'')'),
  ('show.close',     false, 'admin_change_show($1, ''{"state": "closed"}'')'),
  ('show.room',      false, 'admin_set_room($1, $2)'),
  ('show.move',      false, 'admin_move_show($1, $2)'),
  ('tier.price',     false, 'admin_price_tier($1, $2)'),
  ('webhook.add',    true,  'admin_subscribe(''webhook'', $2)'),
  ('webhook.remove', true,  'admin_unsubscribe(''webhook'', $2)'),
  ('webhook.rotate', true,  'admin_rotate_secret($2)'),
  ('webhook.replay', true,  'admin_replay($2)'),
  ('mail.on',        true,  'admin_subscribe(''mail'', $2)'),
  ('mail.off',       true,  'admin_unsubscribe(''mail'', $2)');

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
  EXECUTE 'SELECT * FROM ' || known.does INTO change USING p_show, p_settings;
  RETURN change;
END $$;

-- What an administrator sees, as JSON. The gateway's role may call these and reads no table.
CREATE FUNCTION seen_time(p_time timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

CREATE FUNCTION seen_subscription(s subscriptions) RETURNS json LANGUAGE sql STABLE AS $$
  SELECT json_build_object('webhook', s.id, 'kind', s.kind, 'url', nullif(s.url, ''),
    'events', s.events, 'created_at', seen_time(s.created_at), 'enabled', s.disabled_at IS NULL,
    'disabled_at', seen_time(s.disabled_at), 'disabled_why', nullif(s.disabled_why, ''),
    'waiting', (SELECT count(*) FROM deliveries d
                WHERE d.subscription = s.id AND d.next_at IS NOT NULL),
    'given_up', (SELECT count(*) FROM deliveries d
                 WHERE d.subscription = s.id AND d.next_at IS NULL AND d.delivered_at IS NULL))
$$;

CREATE FUNCTION see_subscriptions() RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT json_build_object('webhooks', coalesce(json_agg(seen_subscription(s) ORDER BY s.id), '[]'))
  FROM subscriptions s
$$;

-- No row: there is none.
CREATE FUNCTION see_subscription(p_number bigint) RETURNS SETOF json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT seen_subscription(s) FROM subscriptions s WHERE s.id = p_number
$$;

-- For an hour after it was made a secret can be fetched. Who gets hold of a gateway later finds none.
CREATE FUNCTION see_secret(p_number bigint) RETURNS SETOF json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT json_build_object('secret', s.secret, 'secret_before', nullif(s.secret_before, ''),
                           'told_until', seen_time(s.secret_at + interval '1 hour'))
  FROM subscriptions s
  WHERE s.id = p_number AND s.kind = 'webhook'
    AND s.secret_at > clock_timestamp() - interval '1 hour'
$$;

CREATE FUNCTION seen_attempts(p_delivery bigint) RETURNS json LANGUAGE sql STABLE AS $$
  SELECT coalesce(json_agg(json_build_object('at', seen_time(a.at), 'status', nullif(a.status, 0),
    'took_ms', a.took_ms, 'why', nullif(a.why, '')) ORDER BY a.attempt), '[]')
  FROM delivery_attempts a WHERE a.delivery = p_delivery
$$;

-- A page of them, the latest first. One more is looked for: if it is there, so is a next page.
CREATE FUNCTION see_deliveries(p_number bigint, p_before bigint, p_undelivered boolean,
                               p_limit integer)
RETURNS SETOF json LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
  WITH found AS MATERIALIZED (
    SELECT d.*, row_number() OVER (ORDER BY d.id DESC) AS place FROM deliveries d
    WHERE d.subscription = p_number AND (p_before IS NULL OR d.id < p_before)
      AND NOT (p_undelivered AND d.delivered_at IS NOT NULL)
    ORDER BY d.id DESC LIMIT p_limit + 1)
  SELECT json_build_object(
    'deliveries', coalesce((
      SELECT json_agg(json_build_object('delivery', d.id, 'webhook_id', d.event, 'type', d.type,
        'at', seen_time(to_timestamp(d.at_ms / 1000.0)),
        'state', CASE WHEN d.delivered_at IS NOT NULL THEN 'delivered'
                      WHEN d.next_at IS NULL THEN 'given up' ELSE 'waiting' END,
        'next_at', seen_time(d.next_at), 'delivered_at', seen_time(d.delivered_at),
        'attempts', seen_attempts(d.id)) ORDER BY d.place)
      FROM found d WHERE d.place <= p_limit), '[]'),
    'next', (SELECT l.id::text FROM found l WHERE l.place = p_limit
             AND EXISTS (SELECT FROM found m WHERE m.place > p_limit)))
  FROM subscriptions s WHERE s.id = p_number
$$;

REVOKE ALL ON FUNCTION new_secret, admin_begin_telling, admin_subscription, admin_told_subscription,
  admin_events, admin_knows_only, admin_subscribe, admin_unsubscribe, admin_rotate_secret,
  admin_replay, seen_time, seen_subscription, seen_attempts, see_subscriptions, see_subscription,
  see_secret, see_deliveries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION see_subscriptions, see_subscription, see_secret, see_deliveries
  TO usher_gateway;
