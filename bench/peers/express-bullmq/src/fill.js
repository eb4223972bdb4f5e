// Queues purchases of one product by as many shoppers, so that a worker can be measured alone.

import { randomUUID } from "node:crypto";
import { producerConnection } from "./connections.js";
import { JOB, purchase, purchaseQueue } from "./purchases.js";
import { positive } from "./settings.js";

/** Jobs added in one call. */
const CHUNK = 1000;

const redis = producerConnection();
const queue = purchaseQueue(redis);
const productId = process.env.PRODUCT ?? "product";

function job() {
  const userId = `user_${randomUUID().replaceAll("-", "").slice(0, 17)}`;
  const data = purchase(userId, productId, randomUUID());
  return { name: JOB, data, opts: { jobId: randomUUID() } };
}

for (let left = positive("JOBS", 1000); left > 0; left -= CHUNK) {
  await queue.addBulk(Array.from({ length: Math.min(CHUNK, left) }, job));
}
await queue.close();
await redis.quit();
