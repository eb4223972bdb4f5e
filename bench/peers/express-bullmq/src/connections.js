// Connections to Redis, with the options that BullMQ's guide names for each side.

import { Redis } from "ioredis";
import { redisUrl } from "./settings.js";

/** For whoever adds jobs: fails at once when Redis is away, so that a request does not hang. */
export function producerConnection() {
  return new Redis(redisUrl(), {
    enableAutoPipelining: true,
    maxRetriesPerRequest: 1,
  });
}

/** For a worker: waits for Redis as long as it takes. */
export function workerConnection() {
  return new Redis(redisUrl(), {
    enableAutoPipelining: true,
    maxRetriesPerRequest: null,
  });
}
