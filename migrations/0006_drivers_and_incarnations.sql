-- What a product's row has to know so that nothing is decided by a driver that was replaced, and
-- so that one sale of a name can follow another.
--
-- The products first and the orders in the next migration: each in a transaction of its own, since
-- settling locks the products before the orders and cancelling the orders before the products.
SET LOCAL lock_timeout = '2s';

ALTER TABLE products
  ADD COLUMN driver         UUID,
  ADD COLUMN batch          BIGINT  NOT NULL DEFAULT 0,
  ADD COLUMN incarnation    INTEGER NOT NULL DEFAULT 1,
  ADD COLUMN listed         BOOLEAN NOT NULL DEFAULT true,
  ADD COLUMN manifest_stock INTEGER,
  ADD COLUMN returned       INTEGER NOT NULL DEFAULT 0;

COMMENT ON COLUMN products.driver IS 'token of the takeover whose batches are accepted; null: of none';
COMMENT ON COLUMN products.batch IS 'number of the batch settled last; never set back';
COMMENT ON COLUMN products.incarnation IS 'incarnation of the sale that offers the product now';
COMMENT ON COLUMN products.listed IS 'whether the last manifest of the sale has the product; if not, its lane is emptied and the product then let go';
COMMENT ON COLUMN products.manifest_stock IS 'the stock as the manifest declared it last, to the letter; the same again changes nothing';
COMMENT ON COLUMN products.returned IS 'units of orders cancelled after their sale was over: no sale offers them';

-- A sale that is taken away and declared again under its name is another sale, with limits and
-- keys of its own. A sale without a row has had one incarnation at most, which began after this
-- migration.
CREATE TABLE sales (
  id              VARCHAR(255) PRIMARY KEY,
  incarnation     INTEGER NOT NULL,
  rejections_kept BOOLEAN NOT NULL DEFAULT true
);

COMMENT ON COLUMN sales.incarnation IS 'of the sale that is on, or of the next one if none is';
COMMENT ON COLUMN sales.rejections_kept IS 'whether all rejections of this incarnation are in the table rejections; false for sales that began before there was one';

-- Sales that are on go on; names whose sale is over begin the next incarnation when declared. The
-- names come out of the index one by one, without reading all orders.
WITH RECURSIVE names AS (
  (SELECT sale_id FROM orders ORDER BY sale_id LIMIT 1)
  UNION ALL
  SELECT (SELECT o.sale_id FROM orders o WHERE o.sale_id > names.sale_id ORDER BY o.sale_id LIMIT 1)
    FROM names WHERE names.sale_id IS NOT NULL
)
INSERT INTO sales (id, incarnation, rejections_kept)
  SELECT sale_id, 1, false FROM products WHERE sale_id IS NOT NULL
  UNION
  SELECT sale_id, 2, true FROM names
    WHERE sale_id IS NOT NULL AND sale_id NOT IN (SELECT sale_id FROM products WHERE sale_id IS NOT NULL);

-- Who was turned away. One row for each batch that turned somebody away, none for a batch of
-- orders alone: what is asked of it is asked for whole batches. There is no index on job ids; the
-- rows in question are found by the time at which their jobs were appended to the lane.
CREATE TABLE rejections (
  product_id  VARCHAR(255) NOT NULL,
  batch       BIGINT       NOT NULL,
  sale_id     VARCHAR(255) NOT NULL,
  incarnation INTEGER      NOT NULL,
  first_ms    BIGINT       NOT NULL,
  last_ms     BIGINT       NOT NULL,
  job_ids     UUID[]       NOT NULL,
  user_ids    TEXT[]       NOT NULL,
  keys        TEXT[]       NOT NULL,
  outcomes    TEXT         NOT NULL,
  decided_at  TIMESTAMPTZ  NOT NULL DEFAULT now(),
  PRIMARY KEY (product_id, batch)
);

COMMENT ON COLUMN rejections.first_ms IS 'time in the id of the first entry of the batch, in milliseconds since 1970';
COMMENT ON COLUMN rejections.outcomes IS 'one letter a job: s sold out, l limit reached';

CREATE INDEX rejections_by_time ON rejections (sale_id, product_id, last_ms);

-- Restocks that named themselves, so that a repeated request changes nothing.
CREATE TABLE restocks (
  id         UUID PRIMARY KEY,
  sale_id    VARCHAR(255) NOT NULL,
  product_id VARCHAR(255) NOT NULL,
  asked      INTEGER      NOT NULL,
  change     INTEGER      NOT NULL,
  stock      INTEGER      NOT NULL,
  version    BIGINT       NOT NULL,
  made_at    TIMESTAMPTZ  NOT NULL DEFAULT now()
);

CREATE INDEX restocks_by_sale ON restocks (sale_id);

-- What follows when a sale takes a product or lets it go, in one place for every statement that
-- does so: those of the release before this one do not know these columns.
CREATE FUNCTION products_follow_sale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.listed := true;
  IF TG_OP = 'INSERT' THEN
    -- A row that was deleted by hand may have left rejections behind; their numbers are taken.
    NEW.batch := COALESCE((SELECT max(batch) FROM rejections WHERE product_id = NEW.id), 0);
  END IF;
  IF TG_OP = 'INSERT' OR NEW.sale_id IS DISTINCT FROM OLD.sale_id THEN
    NEW.driver := NULL;
    NEW.incarnation := COALESCE((SELECT incarnation FROM sales WHERE id = NEW.sale_id), 1);
  END IF;
  -- A declaration that does not say what the manifest had: the next one goes by declared_stock.
  IF TG_OP = 'UPDATE' AND NEW.declared_stock IS DISTINCT FROM OLD.declared_stock
     AND NEW.manifest_stock IS NOT DISTINCT FROM OLD.manifest_stock THEN
    NEW.manifest_stock := NULL;
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER products_follow_sale BEFORE INSERT OR UPDATE OF sale_id ON products
  FOR EACH ROW EXECUTE FUNCTION products_follow_sale();

CREATE FUNCTION products_end_sale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM products WHERE sale_id = OLD.sale_id) THEN
    -- By what the product knows: one statement can let several products go, and this runs for each.
    INSERT INTO sales AS s (id, incarnation) VALUES (OLD.sale_id, OLD.incarnation + 1)
      ON CONFLICT (id) DO UPDATE
        SET incarnation = excluded.incarnation, rejections_kept = true
        WHERE s.incarnation < excluded.incarnation;
    DELETE FROM rejections WHERE sale_id = OLD.sale_id;
    DELETE FROM restocks WHERE sale_id = OLD.sale_id;
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER products_end_sale AFTER UPDATE OF sale_id ON products
  FOR EACH ROW WHEN (OLD.sale_id IS NOT NULL AND NEW.sale_id IS DISTINCT FROM OLD.sale_id)
  EXECUTE FUNCTION products_end_sale();
