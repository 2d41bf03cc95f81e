-- What an operator says is known, wherever it stands, or refused: a limit that was mistyped is not a
-- show without one.

-- Which members each action's settings may have; all that are there, with those that a script decides.
ALTER TABLE admin_actions ALTER does DROP NOT NULL, ADD members text[];
UPDATE admin_actions a SET members = known.members
FROM (VALUES
  ('show.create',    '{slug,name,category,series,partition,show_id,starts_at,ends_at,sales_open_at,'
                     'sales_close_at,state,max_per_user,max_per_booking,hold_ms,hold_ms_max,offer_ms,'
                     'currency,payment,tiers}'::text[]),
  ('partition.add',  '{partition}'),
  ('show.change',    '{name,category,series,starts_at,ends_at,sales_open_at,sales_close_at,state,'
                     'max_per_user,max_per_booking,hold_ms,hold_ms_max,offer_ms,payment}'),
  ('show.open',      '{reason}'),
  ('show.pause',     '{reason}'),
  ('show.close',     '{reason}'),
  ('show.room',      '{mode,order,opens_at,rate,places_each,admission_ms,no_show_ms,paused}'),
  ('show.move',      '{to}'),
  ('tier.price',     '{tier,price,steps}'),
  ('tier.add',       '{code,price,capacity,blocked,steps}'),
  ('tier.rename',    '{tier,code}'),
  ('webhook.add',    '{url,events}'),
  ('webhook.remove', '{webhook}'),
  ('webhook.rotate', '{webhook}'),
  ('webhook.replay', '{webhook,delivery}'),
  ('mail.on',        '{events}'),
  ('mail.off',       '{}')) known (action, members)
WHERE a.action = known.action;
INSERT INTO admin_actions (action, of_catalogue, members) VALUES
  ('inventory.add',     false, '{tier,quantity}'),
  ('inventory.remove',  false, '{tier,quantity}'),
  ('inventory.block',   false, '{tier,quantity}'),
  ('inventory.unblock', false, '{tier,quantity}'),
  ('seats.block',       false, '{seats}'),
  ('seats.unblock',     false, '{seats}'),
  ('booking.cancel',    false, '{reason}');
ALTER TABLE admin_actions ALTER members SET NOT NULL;

-- As in 0018_webhook_admin.sql, and says which there are, as they are called outside: milliseconds
-- are seconds there.
CREATE OR REPLACE FUNCTION admin_knows_only(p_settings jsonb, p_names text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  unknown text;
BEGIN
  IF jsonb_typeof(p_settings) IS DISTINCT FROM 'object' THEN
    PERFORM admin_refuses('Settings, tiers and steps are JSON objects');
  END IF;
  unknown := (SELECT n FROM jsonb_object_keys(p_settings) n WHERE n <> ALL (p_names)
              ORDER BY n LIMIT 1);
  IF unknown IS NOT NULL THEN
    PERFORM admin_refuses(format('There is no "%s" to be said here', left(unknown, 40))
      || coalesce(': there is ' || (SELECT string_agg(replace(n, '_ms', '_seconds'), ', ')
                                    FROM unnest(p_names) n), ''));
  END IF;
END $$;

-- As in 0025_operators_words.sql, but the settings are known. (What functions of earlier migrations
-- ask of them besides has been asked here before.)
CREATE OR REPLACE FUNCTION admin_apply(p_show integer, p_action text, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  known admin_actions;
  change admin_change;
BEGIN
  SELECT * INTO known FROM admin_actions WHERE action = p_action AND does IS NOT NULL;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF known.of_catalogue <> (p_show = 2147483647) THEN
    PERFORM admin_refuses('This is not done to that');
  END IF;
  PERFORM admin_knows_only(p_settings, known.members);
  PERFORM admin_reads_times(p_settings);
  EXECUTE 'SELECT * FROM ' || known.does INTO change USING p_show, p_settings;
  RETURN change;
END $$;

-- As in 0009_admin.sql, but what the script decides is known, too.
CREATE OR REPLACE FUNCTION admin_preview(p_show integer, p_action text, p_settings text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  known admin_actions;
  change admin_change;
BEGIN
  INSERT INTO previews VALUES (p_show);
  SELECT * INTO known FROM admin_actions WHERE action = p_action;
  IF NOT FOUND THEN
    PERFORM admin_refuses(format('There is nothing called "%s" to be done', p_action));
  END IF;
  IF known.does IS NULL THEN
    PERFORM admin_knows_only(p_settings::jsonb, known.members);
    RETURN NULL;
  END IF;
  change := admin_apply(p_show, p_action, p_settings::jsonb);
  RETURN change.after;
END $$;

-- As in 0009_admin.sql, but for what admin_apply knows before it.
CREATE OR REPLACE FUNCTION admin_change_show(p_show integer, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  names text[] := ARRAY(SELECT jsonb_object_keys(p_settings));
  was shows := admin_show_row(p_show);
  s shows := jsonb_populate_record(was, p_settings);
BEGIN
  UPDATE shows SET name = s.name, category = s.category, starts_at = s.starts_at,
    ends_at = s.ends_at, sales_open_at = s.sales_open_at, sales_close_at = s.sales_close_at,
    state = s.state, max_per_user = s.max_per_user, max_per_booking = s.max_per_booking,
    hold_ms = s.hold_ms, hold_ms_max = s.hold_ms_max, offer_ms = s.offer_ms, series = s.series,
    payment = s.payment
  WHERE show = p_show;
  RETURN (p_show, (SELECT jsonb_object_agg(n, to_jsonb(was) -> n) FROM unnest(names) n),
          (SELECT jsonb_object_agg(n, to_jsonb(s) -> n) FROM unnest(names) n))::admin_change;
END $$;

-- As in 0010_room.sql, but for what admin_apply knows before it.
CREATE OR REPLACE FUNCTION admin_set_room(p_show integer, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  names text[] := ARRAY(SELECT jsonb_object_keys(p_settings));
  was jsonb := (
    SELECT jsonb_build_object('mode', mode, 'order', CASE WHEN draws THEN 'draw' ELSE 'arrival' END,
      'opens_at', opens_at, 'rate', rate_per_minute, 'places_each', places_each,
      'admission_ms', admission_ms, 'no_show_ms', no_show_ms, 'paused', paused)
    FROM rooms WHERE show = p_show);
BEGIN
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

-- As in 0009_admin.sql, with known steps.
CREATE OR REPLACE FUNCTION admin_set_steps(p_show integer, p_tier integer, p_steps jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF jsonb_typeof(p_steps) <> 'array' OR jsonb_array_length(p_steps) > 16 THEN
    PERFORM admin_refuses('A tier has at most 16 price steps');
  END IF;
  PERFORM admin_knows_only(step, ARRAY['sold_permille', 'from_at', 'price'])
  FROM jsonb_array_elements(p_steps) step;
  DELETE FROM price_steps WHERE show = p_show AND tier = p_tier;
  INSERT INTO price_steps (show, tier, step, sold_permille, from_at, price)
  SELECT p_show, p_tier, n, (step ->> 'sold_permille')::integer,
         (step ->> 'from_at')::timestamptz, (step ->> 'price')::bigint
  FROM jsonb_array_elements(p_steps) WITH ORDINALITY e (step, n);
END $$;

-- As in 0022_tiers.sql, but a show's tiers are as known as one that comes later.
CREATE OR REPLACE FUNCTION admin_insert_tier(p_show integer, p_tier integer, p_settings jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM admin_knows_only(p_settings, members) FROM admin_actions WHERE action = 'tier.add';
  INSERT INTO tiers (show, tier, code, price, capacity, blocked, available)
  VALUES (p_show, p_tier, p_settings ->> 'code', (p_settings ->> 'price')::bigint,
          (p_settings ->> 'capacity')::integer, coalesce((p_settings ->> 'blocked')::integer, 0),
          (p_settings ->> 'capacity')::integer - coalesce((p_settings ->> 'blocked')::integer, 0));
  PERFORM admin_set_steps(p_show, p_tier, coalesce(p_settings -> 'steps', '[]'));
END $$;
