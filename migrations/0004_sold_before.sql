-- What a sale has sold, at the price of one row a product: `sold` counts the orders of all sales
-- that ever offered the product, so each sale remembers where it began.
ALTER TABLE products
  ADD COLUMN sold_before INTEGER NOT NULL DEFAULT 0;

COMMENT ON COLUMN products.sold_before IS 'sold, when the sale that offers the product now took it';
