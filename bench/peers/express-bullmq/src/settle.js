// One purchase in one transaction, under the lock of its product's row.

/** Prepared once a connection, by their names. */
const LOCK = {
  name: "lock-product",
  text: "SELECT stock_quantity FROM products WHERE id = $1 FOR UPDATE",
};
const INSERT = {
  name: "insert-order",
  text: "INSERT INTO orders (user_id, product_id, status) VALUES ($1, $2, 'COMPLETED') RETURNING id",
};
const DECREMENT = {
  name: "decrement-stock",
  text: "UPDATE products SET stock_quantity = stock_quantity - 1 WHERE id = $1",
};

/** The order's id, or null when nothing is left. */
export async function settle(pool, { userId, productId }) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const order = await sell(client, userId, productId);
    await client.query("COMMIT");
    return order;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

async function sell(client, userId, productId) {
  const product = await client.query({ ...LOCK, values: [productId] });
  if (product.rows.length === 0) {
    throw new Error(`there is no product ${productId}`);
  }
  if (product.rows[0].stock_quantity < 1) {
    return null;
  }
  const order = await client.query({ ...INSERT, values: [userId, productId] });
  await client.query({ ...DECREMENT, values: [productId] });
  return order.rows[0].id;
}
