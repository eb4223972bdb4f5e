-- Batches that workers of the previous release settle are not fenced: they know neither drivers nor
-- batch numbers. They are accepted until the next release, and counted, so that operators can tell
-- when the last such worker is gone.
SET LOCAL lock_timeout = '2s';

ALTER TABLE products
  ADD COLUMN unfenced_batches BIGINT NOT NULL DEFAULT 0;

COMMENT ON COLUMN products.unfenced_batches IS 'batches settled by workers of the previous release, through settle_batch; never set back';

-- As in 0008, and counted. The row is locked and updated by the batch anyway.
CREATE OR REPLACE FUNCTION settle_batch(
  p_sale text, p_product text, p_jobs uuid[], p_users text[], p_keys text[],
  p_after uuid DEFAULT NULL,
  OUT outcomes text, OUT order_ids integer[],
  OUT stock_left integer, OUT version bigint, OUT confirmed integer
) LANGUAGE plpgsql AS $$
DECLARE
  v_batch bigint;
  v_ids   bigint[];
BEGIN
  UPDATE products SET unfenced_batches = unfenced_batches + 1
    WHERE id = p_product AND sale_id = p_sale
    RETURNING batch INTO v_batch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'product % is not offered by sale %', p_product, p_sale
      USING ERRCODE = 'FS002';
  END IF;
  IF p_after IS NOT NULL AND NOT EXISTS (SELECT FROM orders WHERE job_id = p_after) THEN
    RAISE EXCEPTION 'job % has no order, so the jobs behind it have to wait', p_after
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  SELECT s.outcomes, s.order_ids, s.stock_left, s.version, s.confirmed
    INTO outcomes, v_ids, stock_left, version, confirmed
    FROM settle_locked(p_sale, p_product, NULL, v_batch + 1, false,
                       0, 9223372036854775807, p_jobs, p_users, p_keys) AS s;
  IF EXISTS (SELECT FROM unnest(v_ids) AS id WHERE id > 2147483647) THEN
    RAISE EXCEPTION 'order ids are too large for this worker; replace it with one of this release'
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  order_ids := v_ids::integer[];
END $$;
