-- Which batches a figure of the stock contains. A figure may be told to Redis once the last of them
-- is acknowledged there; before, their jobs still stand in the lane and would be counted twice.
SET LOCAL lock_timeout = '2s';

ALTER TABLE products
  ADD COLUMN settled_version BIGINT NOT NULL DEFAULT 0;

COMMENT ON COLUMN products.settled_version IS 'stock_version as of the last batch that sold units';

-- A restock that is repeated gets its answer again.
ALTER TABLE restocks
  ADD COLUMN settled_version BIGINT NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION products_count_stock_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.stock_version := OLD.stock_version + 1;
  -- Only a settled batch sells; declarations, restocks and cancelled orders do not.
  IF NEW.sold > OLD.sold THEN
    NEW.settled_version := NEW.stock_version;
  END IF;
  RETURN NEW;
END $$;
