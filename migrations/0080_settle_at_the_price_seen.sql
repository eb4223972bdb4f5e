-- An order has the price that its shopper saw, whatever was edited while the job waited. Jobs bring
-- it; one without, of another producer or of the release before, gets the price at settlement.
-- Where the product's row gives shoppers time to pay, an order is PENDING until then, by this clock.

-- Settles jobs of a product whose row the caller has locked. With `p_is_repeat`, decides nothing
-- and only tells what was decided about them. As in 0008, and each order has the price that its
-- shopper saw. `states` has where each job's order stands (see `order_state`), null for a job without one;
-- it is null where all orders are new and COMPLETED.
CREATE FUNCTION settle_locked(
  p_sale text, p_product text, p_driver uuid, p_batch bigint, p_is_repeat boolean,
  p_first_ms bigint, p_last_ms bigint, p_jobs uuid[], p_users text[], p_keys text[],
  p_prices bigint[],
  OUT outcomes text, OUT order_ids bigint[],
  OUT stock_left integer, OUT version bigint, OUT confirmed integer, OUT states text[]
) LANGUAGE plpgsql
-- A plan is made once a connection, perhaps while there are few orders, and kept.
SET enable_seqscan = off AS $$
DECLARE
  v_count       constant integer := cardinality(p_jobs);
  v_price       bigint;
  v_pay_seconds integer;
  v_expires     timestamptz;
  v_max         integer;
  v_incarnation integer;
  v_told        text[];   -- by position, what a job was told in an earlier batch; null: nobody was
  v_all_buy     boolean;  -- whether each job gets a unit, unless it turns out to be a repeat
  v_at          integer[];-- positions of the jobs that buy
  v_jobs        uuid[] := p_jobs;
  v_users       text[] := p_users;
  v_keys        text[] := p_keys;
  v_prices      bigint[] := p_prices; -- what each buyer saw; null: nobody wrote it down
  v_ids         bigint[]; -- their orders
  v_collisions  integer := 0;
  v_constraint  text;
BEGIN
  SELECT p.stock_quantity, p.stock_version, p.price, p.max_per_user, p.incarnation, p.pay_seconds
    INTO stock_left, version, v_price, v_max, v_incarnation, v_pay_seconds
    FROM products p WHERE p.id = p_product;
  v_expires := date_trunc('milliseconds', clock_timestamp()) + make_interval(secs => v_pay_seconds);
  confirmed := 0;

  IF EXISTS (SELECT FROM rejections
              WHERE sale_id = p_sale AND product_id = p_product AND incarnation = v_incarnation
                AND last_ms >= p_first_ms AND first_ms <= p_last_ms) THEN
    SELECT array_agg(told.letter ORDER BY job.at) INTO v_told
      FROM unnest(p_jobs, p_users, p_keys) WITH ORDINALITY AS job(j, u, k, at)
      LEFT JOIN (
        SELECT DISTINCT ON (j, u, k) j, u, k, letter
          FROM rejections r,
               unnest(r.job_ids, r.user_ids, r.keys, string_to_array(r.outcomes, NULL))
                 AS turned_away(j, u, k, letter)
          WHERE r.sale_id = p_sale AND r.product_id = p_product AND r.incarnation = v_incarnation
            AND r.last_ms >= p_first_ms AND r.first_ms <= p_last_ms
          ORDER BY j, u, k, r.batch
      ) told USING (j, u, k);
  END IF;

  v_all_buy := v_max IS NULL AND v_count <= stock_left AND v_told IS NULL;
  WHILE NOT p_is_repeat LOOP
    IF NOT v_all_buy THEN
      -- Who buys: each job that is not decided yet, a key counting once, within the shopper's
      -- limit, in order of arrival, as far as the stock goes. The limits make each lookup one
      -- probe of an index.
      WITH job AS (
        SELECT j, u, k, seen, told, at, row_number() OVER (PARTITION BY j ORDER BY at) AS nth_of_job
          FROM unnest(p_jobs, p_users, p_keys, p_prices, v_told)
                 WITH ORDINALITY AS job(j, u, k, seen, told, at)
      ), fresh AS (
        SELECT j, u, k, seen, at, row_number() OVER (PARTITION BY u, k ORDER BY at) AS nth_of_key
          FROM job
          LEFT JOIN LATERAL (SELECT id FROM orders WHERE job_id = j LIMIT 1) AS of_job ON true
          LEFT JOIN LATERAL (
            SELECT id FROM orders
              WHERE sale_id = p_sale AND user_id = u AND idempotency_key = k
                AND incarnation = v_incarnation LIMIT 1) AS of_key ON true
          WHERE told IS NULL AND nth_of_job = 1 AND of_job.id IS NULL AND of_key.id IS NULL
      ), wanted AS (
        SELECT j, u, k, seen, at, row_number() OVER (PARTITION BY u ORDER BY at) AS nth
          FROM fresh WHERE nth_of_key = 1
      ), buyers AS (
        SELECT j, u, k, seen, at
          FROM wanted
          CROSS JOIN LATERAL (
            SELECT count(*) AS units FROM orders
              WHERE v_max IS NOT NULL AND sale_id = p_sale AND user_id = u
                AND incarnation = v_incarnation AND product_id = p_product
                AND status IS DISTINCT FROM 'CANCELLED') AS held
          WHERE v_max IS NULL OR nth + held.units <= v_max
          ORDER BY at LIMIT stock_left
      )
      SELECT array_agg(at::integer ORDER BY at), array_agg(j ORDER BY at),
             array_agg(u ORDER BY at), array_agg(k ORDER BY at), array_agg(seen ORDER BY at)
        INTO v_at, v_jobs, v_users, v_keys, v_prices FROM buyers;
      EXIT WHEN v_at IS NULL;
    END IF;
    BEGIN
      -- Plainly: ON CONFLICT would look into each unique index before it inserts and write every
      -- row to the log twice, half as much work again.
      WITH placed AS (
        INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price,
                            incarnation, expires_at)
          SELECT u, p_product, CASE WHEN v_expires IS NULL THEN 'COMPLETED' ELSE 'PENDING' END,
                 p_sale, j, k, COALESCE(seen, v_price), v_incarnation, v_expires
            FROM unnest(v_jobs, v_users, v_keys, v_prices) AS job(j, u, k, seen)
          RETURNING id)
      SELECT array_agg(id::bigint) INTO v_ids FROM placed;
      EXIT;
    EXCEPTION WHEN unique_violation THEN
      GET STACKED DIAGNOSTICS v_constraint = CONSTRAINT_NAME;
      IF v_constraint = 'orders_pkey' THEN
        PERFORM raise_order_ids(0);
      ELSIF v_constraint IN ('orders_of_one_job', 'orders_of_one_key',
                             'orders_of_one_key_per_incarnation') THEN
        v_all_buy := false; -- Somebody repeats: look who.
      ELSE
        RAISE;
      END IF;
      -- More than a few times in a row can only be others who keep sending the same keys.
      v_collisions := v_collisions + 1;
      IF v_collisions > 8 THEN
        RAISE EXCEPTION 'orders of others collide with this batch again and again (%)', v_constraint
          USING ERRCODE = 'serialization_failure';
      END IF;
    WHEN OTHERS THEN
      -- A rule of the shop can refuse a job that has its order from before the rule: such a job is
      -- a repeat, and only those that are left can be refused.
      IF NOT v_all_buy THEN
        RAISE;
      END IF;
      v_all_buy := false;
    END;
  END LOOP;
  confirmed := COALESCE(cardinality(v_ids), 0);

  IF NOT p_is_repeat THEN
    UPDATE products p
      SET stock_quantity = p.stock_quantity - confirmed, sold = p.sold + confirmed,
          driver = p_driver, batch = p_batch
      WHERE p.id = p_product
      RETURNING p.stock_quantity, p.stock_version INTO stock_left, version;
    IF confirmed = v_count THEN
      outcomes := repeat('c', v_count);
      order_ids := v_ids;
      IF v_expires IS NOT NULL THEN
        states := array_fill(order_state('PENDING', v_expires, NULL), ARRAY[v_count]);
      END IF;
      RETURN;
    END IF;
  END IF;

  SELECT string_agg(letter, '' ORDER BY at),
         array_agg(CASE letter WHEN 'c' THEN made WHEN 'r' THEN of_key END ORDER BY at),
         array_agg(CASE WHEN letter IN ('c', 'r') THEN state END ORDER BY at)
    INTO outcomes, order_ids, states
    FROM (
      SELECT at, made.id AS made, of_key.id AS of_key, of_key.state,
             CASE
               WHEN made.id IS NOT NULL THEN 'c'
               WHEN told IS NOT NULL THEN told
               WHEN of_job.id <> of_key.id OR of_key.id IS NULL AND of_job.id IS NOT NULL THEN 'y'
               WHEN of_key.product_id = p_product THEN 'r'
               WHEN of_key.job_id = j THEN 'y'
               WHEN of_key.id IS NOT NULL THEN 'x'
               WHEN p_is_repeat THEN '?'
               WHEN (owner, owners_key) IS DISTINCT FROM (u, k) THEN 'y'
               WHEN held.units >= v_max THEN 'l'
               ELSE 's'
             END AS letter
        FROM (SELECT j, u, k, told, at,
                     first_value(u) OVER same_job AS owner, first_value(k) OVER same_job AS owners_key
                FROM unnest(p_jobs, p_users, p_keys, v_told) WITH ORDINALITY AS job(j, u, k, told, at)
                WINDOW same_job AS (PARTITION BY j ORDER BY at)) AS job
        LEFT JOIN unnest(v_at, v_ids) AS made(at, id) USING (at)
        LEFT JOIN LATERAL (
          SELECT id, product_id, job_id, order_state(status, expires_at, end_reason) AS state
            FROM orders
            WHERE sale_id = p_sale AND user_id = u AND idempotency_key = k
              AND incarnation = v_incarnation LIMIT 1) AS of_key ON true
        LEFT JOIN LATERAL (SELECT id FROM orders WHERE job_id = j LIMIT 1) AS of_job ON true
        CROSS JOIN LATERAL (
          SELECT count(*) AS units FROM orders
            WHERE v_max IS NOT NULL AND sale_id = p_sale AND user_id = u
              AND incarnation = v_incarnation AND product_id = p_product
              AND status IS DISTINCT FROM 'CANCELLED') AS held
    ) AS decided;

  IF p_is_repeat AND strpos(outcomes, '?') > 0 THEN
    RAISE EXCEPTION 'batch % of product % was settled with other jobs', p_batch, p_product
      USING ERRCODE = 'FS003';
  END IF;
  IF NOT p_is_repeat AND outcomes ~ '[sl]' THEN
    INSERT INTO rejections (product_id, batch, sale_id, incarnation, first_ms, last_ms,
                            job_ids, user_ids, keys, outcomes)
      SELECT p_product, p_batch, p_sale, v_incarnation, p_first_ms, p_last_ms,
             array_agg(j ORDER BY at), array_agg(u ORDER BY at), array_agg(k ORDER BY at),
             string_agg(letter, '' ORDER BY at)
        FROM unnest(p_jobs, p_users, p_keys, v_told, string_to_array(outcomes, NULL))
               WITH ORDINALITY AS job(j, u, k, told, letter, at)
        WHERE letter IN ('s', 'l') AND told IS NULL
        HAVING count(*) > 0;
  END IF;
END $$;

-- For calls without prices: those of workers of the release before, and those on their way while this
-- migration is applied.
CREATE OR REPLACE FUNCTION settle_locked(
  p_sale text, p_product text, p_driver uuid, p_batch bigint, p_is_repeat boolean,
  p_first_ms bigint, p_last_ms bigint, p_jobs uuid[], p_users text[], p_keys text[],
  OUT outcomes text, OUT order_ids bigint[],
  OUT stock_left integer, OUT version bigint, OUT confirmed integer
) LANGUAGE sql AS $$
  SELECT outcomes, order_ids, stock_left, version, confirmed
    FROM settle_locked(p_sale, p_product, p_driver, p_batch, p_is_repeat,
                       p_first_ms, p_last_ms, p_jobs, p_users, p_keys, NULL::bigint[])
$$;

-- As in 0008, where the parameters and outcomes are described. `p_prices` has what each shopper saw,
-- in minor units, or null.
CREATE FUNCTION settle_jobs(
  p_sale text, p_product text, p_driver uuid, p_batch bigint,
  p_first_ms bigint, p_last_ms bigint, p_jobs uuid[], p_users text[], p_keys text[],
  p_prices bigint[],
  OUT outcomes text, OUT order_ids bigint[],
  OUT stock_left integer, OUT version bigint, OUT confirmed integer, OUT states text[]
) LANGUAGE plpgsql AS $$
DECLARE
  v_driver uuid;
  v_batch  bigint;
BEGIN
  SELECT driver, batch INTO v_driver, v_batch
    FROM products WHERE id = p_product AND sale_id = p_sale FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'product % is not offered by sale %', p_product, p_sale
      USING ERRCODE = 'FS002';
  END IF;
  IF v_driver IS DISTINCT FROM p_driver THEN
    RAISE EXCEPTION 'product % has another driver now', p_product
      USING ERRCODE = 'FS001';
  END IF;
  IF p_batch > v_batch + 1 THEN
    RAISE EXCEPTION 'batch % of product % is settled last, so batch % has to wait',
                    v_batch, p_product, p_batch
      USING ERRCODE = 'FS003';
  END IF;
  SELECT s.outcomes, s.order_ids, s.stock_left, s.version, s.confirmed, s.states
    INTO outcomes, order_ids, stock_left, version, confirmed, states
    FROM settle_locked(p_sale, p_product, p_driver, p_batch, p_batch <= v_batch,
                       p_first_ms, p_last_ms, p_jobs, p_users, p_keys, p_prices) AS s;
END $$;

-- With the rights of the owner, as in 0040.
DO $$
DECLARE
  v_function regprocedure := 'settle_jobs(text, text, uuid, bigint, bigint, bigint, uuid[], text[],
                                          text[], bigint[])'::regprocedure;
BEGIN
  EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp',
                 v_function, current_schema());
  EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', v_function);
END $$;
