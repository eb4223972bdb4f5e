// What is asked of Redis before a purchase is queued: state of the sale, rate limit, idempotency.

/** Seconds that an idempotency key is remembered. */
const KEY_TTL_S = 24 * 3600;

/** Length of the fixed window of the rate limit. */
const WINDOW_S = 1;

/** Key that holds `closed` while the sale is. */
const STATUS = "sale:status";

/** Whether the sale is open and the shopper below the limit: one round trip. */
export async function checkLimits(redis, userId, limit) {
  const counter = `rate:${userId}`;
  const [status, requests] = await Promise.all([
    redis.get(STATUS),
    redis.incr(counter),
    redis.expire(counter, WINDOW_S, "NX"),
  ]);
  return { isOpen: status !== "closed", isLimited: requests > limit };
}

/** The job of an earlier request with this key; null when this one is the first. */
export function claimKey(redis, userId, idempotencyKey, jobId) {
  return redis.set(`idempotency:${userId}:${idempotencyKey}`, jobId, "EX", KEY_TTL_S, "NX", "GET");
}
