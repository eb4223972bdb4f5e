-- The locked stock transaction of 0003, faster in two ways.
--
-- Rows are inserted plainly, and with ON CONFLICT only when a batch turns out to hold a repeat:
-- 10 µs of processor time an order instead of 14.6.
--
-- A batch can be sent while the one before it is still being settled: it waits for the lock of
-- the product's row, and gets it in the instant in which the other commits, so that nothing
-- travels and nothing is computed between two transactions. Order of arrival is kept by
-- `p_after`, the last job of the batch before: where that one has no order (its batch failed, or
-- stock ran out), nothing is settled and the batch is to be sent again in its turn.
--
-- In:  the sale, the product, three arrays of one length: job ids, user ids, idempotency keys;
--      and the job that must have its order already, or null.
-- Out: as before, see 0003.
DROP FUNCTION settle_batch(text, text, uuid[], text[], text[]);

CREATE FUNCTION settle_batch(
  p_sale text, p_product text, p_jobs uuid[], p_users text[], p_keys text[],
  p_after uuid DEFAULT NULL,
  OUT outcomes text, OUT order_ids integer[],
  OUT stock_left integer, OUT version bigint, OUT confirmed integer
) LANGUAGE plpgsql AS $$
DECLARE
  v_count    constant integer := cardinality(p_jobs);
  v_price    integer;
  v_max      integer;
  v_stock    integer;   -- units left while this batch goes on
  v_ids      integer[]; -- orders made by this batch, in order of arrival
  v_first    integer;   -- least order id of this batch: what is older was there before
  v_accepted integer[]; -- positions of the jobs that may buy, when not all may
  v_next     integer := 1;
  v_take     integer;
BEGIN
  SELECT stock_quantity, stock_version, price, max_per_user
    INTO v_stock, version, v_price, v_max
    FROM products WHERE id = p_product AND sale_id = p_sale FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'product % is not offered by sale %', p_product, p_sale
      USING ERRCODE = 'foreign_key_violation';
  END IF;
  IF p_after IS NOT NULL AND NOT EXISTS (SELECT FROM orders WHERE job_id = p_after) THEN
    RAISE EXCEPTION 'job % has no order, so the jobs behind it have to wait', p_after
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  confirmed := 0;

  IF v_max IS NULL AND v_count <= v_stock THEN
    -- What nearly every batch is: all fit, nobody repeats. ON CONFLICT would look into each unique
    -- index before it inserts and write every row to the log twice: half as much work again.
    BEGIN
      WITH placed AS (
        INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
          SELECT u, p_product, 'COMPLETED', p_sale, j, k, v_price
            FROM unnest(p_jobs, p_users, p_keys) AS job(j, u, k)
          RETURNING id)
      SELECT array_agg(id), min(id) INTO v_ids, v_first FROM placed;
    EXCEPTION WHEN unique_violation THEN
      WITH placed AS (
        INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
          SELECT u, p_product, 'COMPLETED', p_sale, j, k, v_price
            FROM unnest(p_jobs, p_users, p_keys) AS job(j, u, k)
          ON CONFLICT DO NOTHING
          RETURNING id)
      SELECT array_agg(id), min(id) INTO v_ids, v_first FROM placed;
    END;
    confirmed := COALESCE(cardinality(v_ids), 0);
  ELSE
    IF v_max IS NOT NULL THEN
      v_accepted := within_limit(p_sale, p_product, p_users, p_keys, v_max);
    ELSE
      v_accepted := ARRAY(SELECT generate_series(1, v_count));
    END IF;
    -- A repeat takes none of the stock it was given, so what is left goes to the next in line.
    WHILE v_next <= cardinality(v_accepted) AND v_stock > confirmed LOOP
      v_take := LEAST(cardinality(v_accepted) - v_next + 1, v_stock - confirmed);
      WITH placed AS (
        INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
          SELECT u, p_product, 'COMPLETED', p_sale, j, k, v_price
            FROM unnest(v_accepted[v_next : v_next + v_take - 1]) AS pick(at)
            JOIN unnest(p_jobs, p_users, p_keys) WITH ORDINALITY AS job(j, u, k, at) USING (at)
            ORDER BY at
          ON CONFLICT DO NOTHING
          RETURNING id)
      SELECT v_ids || array_agg(id), LEAST(v_first, min(id)) INTO v_ids, v_first FROM placed;
      confirmed := COALESCE(cardinality(v_ids), 0);
      v_next := v_next + v_take;
    END LOOP;
  END IF;

  IF confirmed > 0 THEN
    UPDATE products SET stock_quantity = stock_quantity - confirmed, sold = sold + confirmed
      WHERE id = p_product
      RETURNING stock_quantity, stock_version INTO v_stock, version;
  END IF;
  stock_left := v_stock;

  IF cardinality(v_ids) = v_count THEN
    outcomes := repeat('c', v_count);
    order_ids := v_ids;
    RETURN;
  END IF;

  SELECT string_agg(
           CASE
             WHEN other.id IS NOT NULL THEN 'y'
             WHEN mine.product_id = p_product AND mine.id >= v_first AND mine.job_id = j THEN 'c'
             WHEN mine.product_id = p_product THEN 'r'
             WHEN mine.job_id = j THEN 'y'
             WHEN mine.id IS NOT NULL THEN 'x'
             WHEN units.held >= v_max THEN 'l'
             ELSE 's'
           END, '' ORDER BY at),
         array_agg(CASE WHEN mine.product_id = p_product AND other.id IS NULL THEN mine.id END ORDER BY at)
    INTO outcomes, order_ids
    FROM unnest(p_jobs, p_users, p_keys) WITH ORDINALITY AS job(j, u, k, at)
    LEFT JOIN orders mine
      ON mine.sale_id = p_sale AND mine.user_id = u AND mine.idempotency_key = k
    LEFT JOIN orders other ON other.job_id = j AND other.id IS DISTINCT FROM mine.id
    LEFT JOIN (SELECT user_id, count(*) AS held
                 FROM orders
                 WHERE v_max IS NOT NULL AND sale_id = p_sale AND user_id = ANY (p_users)
                   AND product_id = p_product AND status <> 'CANCELLED'
                 GROUP BY user_id) units ON units.user_id = u;
END $$;
