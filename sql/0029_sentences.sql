-- What a constraint refuses is told to operators in its own sentence, and never with the row that it
-- would have been. The sentence stands with the constraint.
COMMENT ON CONSTRAINT partitions_pkey ON partitions IS 'There is such a partition already';
COMMENT ON CONSTRAINT partitions_partition_check ON partitions IS 'Partitions are numbered from 1 on';

COMMENT ON CONSTRAINT shows_pkey ON shows IS 'There is a show with this number already';
COMMENT ON CONSTRAINT shows_slug_key ON shows IS 'There is a show with this slug already';
COMMENT ON CONSTRAINT shows_show_check ON shows IS 'Shows are numbered from 1 on';
COMMENT ON CONSTRAINT shows_have_a_number ON shows IS 'The number of a show is at most 2147483646';
COMMENT ON CONSTRAINT shows_slug_check ON shows
  IS 'A slug is 1 to 64 of a-z, 0-9 and -, the first one a letter';
COMMENT ON CONSTRAINT shows_name_check ON shows IS 'A name has 1 to 200 characters';
COMMENT ON CONSTRAINT shows_category_check ON shows
  IS 'A category is 1 to 32 of a-z, 0-9 and -, the first one a letter';
COMMENT ON CONSTRAINT shows_series_check ON shows
  IS 'A series is 1 to 64 of a-z, 0-9 and -, the first one a letter';
COMMENT ON CONSTRAINT shows_state_check ON shows IS 'The state is draft, open, paused or closed';
COMMENT ON CONSTRAINT shows_currency_check ON shows IS 'A currency is three capitals (ISO 4217)';
COMMENT ON CONSTRAINT shows_payment_check ON shows IS 'The payment is optional or required';
COMMENT ON CONSTRAINT shows_max_per_user_check ON shows
  IS '"max_per_user" is at least 1, or null for no limit';
COMMENT ON CONSTRAINT shows_max_per_booking_check ON shows IS '"max_per_booking" is 1 to 1000';
COMMENT ON CONSTRAINT shows_hold_ms_check ON shows IS '"hold_seconds" is 1 to 86400';
COMMENT ON CONSTRAINT shows_offer_ms_check ON shows IS '"offer_seconds" is 1 to 86400';
COMMENT ON CONSTRAINT shows_check ON shows IS '"hold_seconds_max" is not less than "hold_seconds"';
COMMENT ON CONSTRAINT shows_check1 ON shows IS 'Sales open before they close';
COMMENT ON CONSTRAINT show_ends_after_its_start ON shows IS 'A show begins before it ends';
COMMENT ON CONSTRAINT shows_are_in_time ON shows IS '"starts_at" lies between 1970 and 9999';
COMMENT ON CONSTRAINT shows_end_in_time ON shows IS '"ends_at" lies between 1970 and 9999';
COMMENT ON CONSTRAINT sales_open_in_time ON shows IS '"sales_open_at" lies between 1970 and 9999';
COMMENT ON CONSTRAINT sales_close_in_time ON shows IS '"sales_close_at" lies between 1970 and 9999';

COMMENT ON CONSTRAINT tiers_show_code_key ON tiers IS 'The show has a tier with this code already';
COMMENT ON CONSTRAINT tiers_code_check ON tiers
  IS 'A tier''s code is 1 to 32 letters, digits, spaces and _ . -, the first one a letter or digit';
COMMENT ON CONSTRAINT tiers_price_check ON tiers IS 'A price is 0 to 100000000000, in minor units';
COMMENT ON CONSTRAINT tiers_capacity_check ON tiers IS 'A capacity is not less than 0';
COMMENT ON CONSTRAINT tiers_blocked_check ON tiers IS '"blocked" is not less than 0';
COMMENT ON CONSTRAINT tiers_available_check ON tiers IS 'No more places are blocked than there are';

COMMENT ON CONSTRAINT price_steps_price_check ON price_steps
  IS 'A price is 0 to 100000000000, in minor units';
COMMENT ON CONSTRAINT price_steps_sold_permille_check ON price_steps
  IS '"sold_permille" is 1 to 1000';
COMMENT ON CONSTRAINT price_steps_from_at_check ON price_steps IS '"from_at" is not before 1970';
COMMENT ON CONSTRAINT by_share_or_by_time ON price_steps
  IS 'A price step has "sold_permille" or "from_at", and not both';

COMMENT ON CONSTRAINT rooms_mode_check ON rooms IS 'The mode is off, on or auto';
COMMENT ON CONSTRAINT rooms_opens_at_check ON rooms IS '"opens_at" is not before 1970';
COMMENT ON CONSTRAINT rooms_rate_per_minute_check ON rooms IS '"rate" is 1 to 1000000 a minute';
COMMENT ON CONSTRAINT rooms_places_each_check ON rooms IS '"places_each" is 1 to 1000';
COMMENT ON CONSTRAINT rooms_admission_ms_check ON rooms IS '"admission_seconds" is 1 to 86400';
COMMENT ON CONSTRAINT rooms_no_show_ms_check ON rooms IS '"no_show_seconds" is 1 to 86400';

CREATE FUNCTION admin_sentence(p_message text, p_schema text, p_table text, p_column text,
                               p_constraint text)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    (SELECT obj_description(c.oid, 'pg_constraint')
     FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
     JOIN pg_namespace n ON n.oid = t.relnamespace
     WHERE c.conname = p_constraint AND t.relname = p_table AND n.nspname = p_schema),
    '"' || replace(nullif(p_column, ''), '_ms', '_seconds') || '" is missing',
    p_message)
$$;

-- As in 0028_known_members.sql, with that. The commit calls what this calls, and not this: what it
-- says there is for the log.
CREATE OR REPLACE FUNCTION admin_preview(p_show integer, p_action text, p_settings text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  known admin_actions;
  change admin_change;
  state text;
  message text;
  in_schema text;
  in_table text;
  in_column text;
  broken text;
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
EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
    in_schema = SCHEMA_NAME, in_table = TABLE_NAME, in_column = COLUMN_NAME,
    broken = CONSTRAINT_NAME;
  RAISE EXCEPTION USING ERRCODE = state,
    MESSAGE = admin_sentence(message, in_schema, in_table, in_column, broken);
END $$;

REVOKE ALL ON FUNCTION admin_sentence FROM PUBLIC;
