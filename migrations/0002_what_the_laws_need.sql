-- Law 1 (no oversell) as a constraint: what was ever on offer is what is left plus what is sold.
-- Every change of stock has to say which of the two it is, or it is refused.
ALTER TABLE products
  ADD COLUMN sale_id        VARCHAR(255),
  ADD COLUMN declared_stock INTEGER,
  ADD COLUMN initial_stock  INTEGER NOT NULL,
  ADD COLUMN sold           INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN max_per_user   INTEGER,
  ADD COLUMN stock_version  BIGINT NOT NULL DEFAULT 1,
  ADD CONSTRAINT products_price_not_negative CHECK (price >= 0),
  ADD CONSTRAINT products_sold_not_negative CHECK (sold >= 0),
  ADD CONSTRAINT products_max_per_user_positive CHECK (max_per_user > 0),
  ADD CONSTRAINT products_stock_adds_up CHECK (initial_stock = stock_quantity + sold);

COMMENT ON COLUMN products.sale_id IS 'the sale that offers the product now';
COMMENT ON COLUMN products.declared_stock IS 'the stock that the sale''s manifest declared last; an edit is applied as the difference to it';
COMMENT ON COLUMN products.initial_stock IS 'units ever on offer: stock_quantity + sold, changed by restocking alone';
COMMENT ON COLUMN products.sold IS 'orders of the product that are not CANCELLED';
COMMENT ON COLUMN products.stock_version IS 'grows with every change of stock_quantity, so that a reader can tell the newer of two figures';

CREATE INDEX products_by_sale ON products (sale_id);

-- Room on each page for the new version of a hot row: its updates stay on the page and touch no
-- index (heap-only tuples).
ALTER TABLE products SET (fillfactor = 25);

-- A product written with the first design's columns alone starts with what is on stock.
CREATE FUNCTION products_start_with_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.initial_stock := COALESCE(NEW.initial_stock, NEW.stock_quantity + NEW.sold);
  RETURN NEW;
END $$;

CREATE TRIGGER products_start_with_stock BEFORE INSERT ON products
  FOR EACH ROW EXECUTE FUNCTION products_start_with_stock();

CREATE FUNCTION products_count_stock_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.stock_version := OLD.stock_version + 1;
  RETURN NEW;
END $$;

CREATE TRIGGER products_count_stock_versions BEFORE UPDATE OF stock_quantity ON products
  FOR EACH ROW WHEN (OLD.stock_quantity IS DISTINCT FROM NEW.stock_quantity)
  EXECUTE FUNCTION products_count_stock_versions();

-- Laws 2 and 3: an order knows the acknowledged buy it settles, and one key of one shopper in one
-- sale makes one order. The second index also answers "orders of a sale" and "how many units has
-- this shopper", by its first columns.
ALTER TABLE orders
  ADD COLUMN sale_id         VARCHAR(255) NOT NULL,
  ADD COLUMN job_id          UUID NOT NULL,
  ADD COLUMN idempotency_key VARCHAR(255) NOT NULL,
  ADD COLUMN price           INTEGER NOT NULL,
  ADD CONSTRAINT orders_status_known CHECK (status IN ('PENDING', 'COMPLETED', 'CANCELLED')),
  ADD CONSTRAINT orders_of_one_job UNIQUE (job_id),
  ADD CONSTRAINT orders_of_one_key UNIQUE (sale_id, user_id, idempotency_key);

COMMENT ON COLUMN orders.price IS 'cents at the moment of purchase';

-- A cancelled order gives its unit back, whoever cancels it. A cancelled order stays cancelled:
-- its unit may already be sold again.
CREATE FUNCTION orders_give_back_unit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'CANCELLED' THEN
    RAISE EXCEPTION 'order % is cancelled and cannot become %', OLD.id, NEW.status
      USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status = 'CANCELLED' THEN
    UPDATE products SET stock_quantity = stock_quantity + 1, sold = sold - 1
      WHERE id = NEW.product_id;
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER orders_give_back_unit BEFORE UPDATE OF status ON orders
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION orders_give_back_unit();
