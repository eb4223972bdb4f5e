-- Orders know which incarnation of their sale they are of, and every order has a status.
SET LOCAL lock_timeout = '2s';

ALTER TABLE orders
  ADD COLUMN incarnation INTEGER NOT NULL DEFAULT 1,
  -- Rows without one stay as they are, and count as orders everywhere.
  ADD CONSTRAINT orders_status_given CHECK (status IS NOT NULL) NOT VALID;

COMMENT ON COLUMN orders.incarnation IS 'incarnation of the sale, see products.incarnation';

-- A cancelled order gives its unit back, whoever cancels it: to the sale that sold it, if that
-- sale still offers the product. Otherwise the unit is no part of what is on offer now: whoever
-- offers the product next says how many units there are.
CREATE OR REPLACE FUNCTION orders_give_back_unit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'CANCELLED' THEN
    RAISE EXCEPTION 'order % is cancelled and cannot become %', OLD.id, NEW.status
      USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status = 'CANCELLED' THEN
    UPDATE products SET stock_quantity = stock_quantity + 1, sold = sold - 1
      WHERE id = NEW.product_id AND sale_id = NEW.sale_id AND incarnation = NEW.incarnation;
    IF NOT FOUND THEN
      UPDATE products
        SET sold = sold - 1, sold_before = sold_before - 1, initial_stock = initial_stock - 1,
            returned = returned + 1
        WHERE id = NEW.product_id;
    END IF;
  END IF;
  RETURN NEW;
END $$;
