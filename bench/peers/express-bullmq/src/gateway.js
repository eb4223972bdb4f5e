// The gateway process.

import { createApp } from "./app.js";
import { producerConnection } from "./connections.js";
import { purchaseQueue } from "./purchases.js";
import { positive } from "./settings.js";

const redis = producerConnection();
const queue = purchaseQueue(redis);
const app = createApp({ redis, queue, rateLimit: positive("RATE_LIMIT", 10) });
const server = app.listen(positive("PORT", 3000), "127.0.0.1");

process.once("SIGTERM", async () => {
  // Requests that are being answered still need the queue.
  await new Promise((resolve) => server.close(resolve));
  await queue.close();
  await redis.quit();
});
