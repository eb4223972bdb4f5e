-- Gives up on a table that somebody holds; run it again then.
SET lock_timeout = '2s';

-- Nobody logs in with one of these roles: they carry rights and have no password. Your login roles
-- become members of them.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['flashsale_owner', 'flashsale_worker', 'flashsale_gateway'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
    END IF;
  END LOOP;
  IF NOT pg_has_role('flashsale_owner', 'USAGE') THEN
    GRANT flashsale_owner TO CURRENT_USER;
  END IF;
END $$;

-- The schema. Only the owner makes anything in it: functions that run with the owner's rights look
-- for what they use here.
DO $$
BEGIN
  EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO flashsale_owner', current_schema());
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO flashsale_worker, flashsale_gateway', current_schema());
  EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
END $$;

-- The owner: migrations, the operator, and the tools that restock, repair and audit.
DO $$
DECLARE
  object text;
BEGIN
  FOR object IN
    SELECT format('TABLE %s', oid::regclass)
      FROM pg_class
      WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind = 'r'
        AND relname IN ('products', 'orders', 'sales', 'rejections', 'restocks', 'order_events',
                        'payments', 'payment_events', '_sqlx_migrations')
        AND relowner <> 'flashsale_owner'::regrole
    UNION ALL
    SELECT format('FUNCTION %s', oid::regprocedure)
      FROM pg_proc
      WHERE pronamespace = quote_ident(current_schema())::regnamespace
        AND proname IN ('settle_batch', 'settle_jobs', 'settle_locked', 'take_over',
                        'take_over_from', 'raise_order_ids', 'products_start_with_stock',
                        'products_count_stock_versions', 'products_follow_sale',
                        'products_end_sale', 'orders_give_back_unit', 'orders_change_status',
                        'orders_count_changes', 'order_state', 'order_states', 'expire_orders',
                        'order_changes', 'orders_end_payments', 'open_checkout', 'session_opened',
                        'session_failed', 'order_again', 'apply_payment', 'cancel_order',
                        'claim_payment_chores', 'end_payment_chore', 'payments_of_sale', 'sale_report')
        AND proowner <> 'flashsale_owner'::regrole
  LOOP
    EXECUTE format('ALTER %s OWNER TO flashsale_owner', object);
  END LOOP;
END $$;

-- Workers: these functions, and the number of the last order. They read and write no table.
-- By their arguments, since a later release may have others of the same name; and those that the schema has,
-- since this may be run before a migration.
DO $$
DECLARE
  signature text;
BEGIN
  FOREACH signature IN ARRAY ARRAY[
    'settle_jobs(text, text, uuid, bigint, bigint, bigint, uuid[], text[], text[])',
    'settle_jobs(text, text, uuid, bigint, bigint, bigint, uuid[], text[], text[], bigint[])',
    'take_over_from(text, text, uuid, uuid)',
    'expire_orders(text, text, uuid, integer)',
    'order_changes(text, text, bigint, integer)',
    'order_states(text, text, text, text, integer)',
    'raise_order_ids(bigint)'
  ] LOOP
    IF to_regprocedure(signature) IS NOT NULL THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO flashsale_worker', signature);
    END IF;
  END LOOP;
END $$;
GRANT SELECT ON SEQUENCE orders_id_seq TO flashsale_worker;

-- Gateways: what GET /orders/{jobId} answers, for orders that Redis does not know any more, and payments.
GRANT SELECT (id, job_id, user_id, product_id, sale_id, status) ON orders TO flashsale_gateway;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'expires_at') THEN
    GRANT SELECT (expires_at, end_reason) ON orders TO flashsale_gateway;
  END IF;
END $$;
DO $$
DECLARE
  signature text;
BEGIN
  FOREACH signature IN ARRAY ARRAY[
    'open_checkout(uuid, text, uuid)',
    'session_opened(uuid, text, text)',
    'session_failed(uuid, text)',
    'apply_payment(text, text, text, uuid, text, text, bigint, text)',
    'cancel_order(uuid, text)',
    'claim_payment_chores(text[], integer, integer)',
    'end_payment_chore(uuid, text, text, text)',
    'payments_of_sale(text)',
    'sale_report(text, integer, bigint)'
  ] LOOP
    IF to_regprocedure(signature) IS NOT NULL THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO flashsale_gateway', signature);
    END IF;
  END LOOP;
END $$;

-- A pooler may hand this session on.
RESET lock_timeout;
