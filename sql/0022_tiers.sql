-- A show gets another price, or one of its prices another name, while it sells.

CREATE FUNCTION admin_insert_tier(p_show integer, p_tier integer, p_settings jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tiers (show, tier, code, price, capacity, blocked, available)
  VALUES (p_show, p_tier, p_settings ->> 'code', (p_settings ->> 'price')::bigint,
          (p_settings ->> 'capacity')::integer, coalesce((p_settings ->> 'blocked')::integer, 0),
          (p_settings ->> 'capacity')::integer - coalesce((p_settings ->> 'blocked')::integer, 0));
  PERFORM admin_set_steps(p_show, p_tier, coalesce(p_settings -> 'steps', '[]'));
END $$;

CREATE OR REPLACE FUNCTION admin_insert_tiers(p_show integer, p_tiers jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF p_tiers IS NULL OR jsonb_typeof(p_tiers) <> 'array'
     OR jsonb_array_length(p_tiers) NOT BETWEEN 1 AND 32 THEN
    PERFORM admin_refuses('A show has 1 to 32 tiers');
  END IF;
  PERFORM admin_insert_tier(p_show, number::integer, tier)
  FROM jsonb_array_elements(p_tiers) WITH ORDINALITY t (tier, number);
END $$;

-- It comes behind the others, and is a counter: numbered seats are of a map.
CREATE FUNCTION admin_add_tier(p_show integer, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  number integer := (SELECT coalesce(max(tier), 0) + 1 FROM tiers WHERE show = p_show);
BEGIN
  PERFORM admin_knows_only(p_settings, ARRAY['code', 'price', 'capacity', 'blocked', 'steps']);
  IF number > 32 THEN
    PERFORM admin_refuses('A show has 1 to 32 tiers');
  END IF;
  IF NOT p_settings ?& ARRAY['code', 'price', 'capacity'] THEN
    PERFORM admin_refuses('A tier has a "code", a "price" and a "capacity"');
  END IF;
  PERFORM admin_insert_tier(p_show, number, p_settings);
  RETURN (p_show, NULL, (
    SELECT jsonb_build_object('tier', tier, 'code', code, 'price', price, 'capacity', capacity,
                              'blocked', blocked, 'steps', admin_steps(show, tier))
    FROM tiers WHERE show = p_show AND tier = number))::admin_change;
END $$;

CREATE FUNCTION admin_rename_tier(p_show integer, p_settings jsonb)
RETURNS admin_change LANGUAGE plpgsql AS $$
DECLARE
  number integer := (p_settings ->> 'tier')::integer;
  was text := (SELECT code FROM tiers WHERE show = p_show AND tier = number);
BEGIN
  PERFORM admin_knows_only(p_settings, ARRAY['tier', 'code']);
  IF was IS NULL THEN
    PERFORM admin_refuses('The show has no such tier');
  END IF;
  IF NOT p_settings ? 'code' THEN
    PERFORM admin_refuses('"code" is its new name');
  END IF;
  UPDATE tiers SET code = p_settings ->> 'code' WHERE show = p_show AND tier = number;
  RETURN (p_show, jsonb_build_object('tier', number, 'code', was),
          jsonb_build_object('tier', number, 'code', p_settings ->> 'code'))::admin_change;
END $$;

INSERT INTO admin_actions VALUES
  ('tier.add',    false, 'admin_add_tier($1, $2)'),
  ('tier.rename', false, 'admin_rename_tier($1, $2)');

REVOKE ALL ON FUNCTION admin_insert_tier, admin_add_tier, admin_rename_tier FROM PUBLIC;
