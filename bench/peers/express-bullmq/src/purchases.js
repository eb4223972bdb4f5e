// The queue of purchases, and what a job in it looks like.

import { Queue } from "bullmq";

/** Name of the queue. */
export const QUEUE = "purchases";

/** Name of every job in it. */
export const JOB = "purchase-job";

/** Completed jobs leave Redis, failed ones are kept for a look at them. */
const JOB_OPTIONS = {
  attempts: 3,
  backoff: { type: "fixed", delay: 1000 },
  removeOnComplete: true,
  removeOnFail: 5000,
};

/** The queue, for adding to it. */
export function purchaseQueue(connection) {
  return new Queue(QUEUE, { connection, defaultJobOptions: JOB_OPTIONS });
}

/** The payload of a job. */
export function purchase(userId, productId, idempotencyKey) {
  return { userId, productId, timestamp: Date.now(), idempotencyKey };
}
