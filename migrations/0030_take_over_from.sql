-- Taking a product over from a driver that is known.
--
-- A takeover that was long on its way (its worker was paused, or the network was) must not come
-- after one that was made later: the late driver could then settle a job of which the rightful one
-- has just told that it failed. So a driver names the one that it expects to succeed, and asks the
-- lease whether it is still its own after it has learnt who that is.
--
-- Out: the number of the batch settled last; or null, and the driver that is there instead.
CREATE FUNCTION take_over_from(
  p_sale text, p_product text, p_driver uuid, p_expected uuid,
  OUT last_batch bigint, OUT present uuid
) LANGUAGE plpgsql AS $$
BEGIN
  UPDATE products p SET driver = p_driver
    WHERE p.id = p_product AND p.sale_id = p_sale AND p.driver IS NOT DISTINCT FROM p_expected
    RETURNING p.batch INTO last_batch;
  IF FOUND THEN
    -- As in `take_over`: the first durable batch makes this durable too.
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN;
  END IF;
  SELECT p.driver INTO present FROM products p WHERE p.id = p_product AND p.sale_id = p_sale;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'product % is not offered by sale %', p_product, p_sale
      USING ERRCODE = 'FS002';
  END IF;
END $$;
