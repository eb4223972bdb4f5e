// The HTTP interface: POST /buy.

import { randomUUID } from "node:crypto";
import express from "express";
import { checkLimits, claimKey } from "./admission.js";
import { JOB, purchase } from "./purchases.js";

/** The application, without a socket. */
export function createApp({ redis, queue, rateLimit }) {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.get("/health", (_request, response) => response.json({ status: "ok" }));
  // Express 5 hands a rejected promise to its error handler.
  app.post("/buy", express.json(), async (request, response) => {
    const { productId, userId } = request.body ?? {};
    const idempotencyKey = request.get("idempotency-key");
    if (!idempotencyKey || typeof productId !== "string" || typeof userId !== "string") {
      return response
        .status(400)
        .json({ error: "Idempotency-Key, productId or userId is missing" });
    }
    const { isOpen, isLimited } = await checkLimits(redis, userId, rateLimit);
    if (!isOpen) {
      return response.status(409).json({ error: "the sale is closed" });
    }
    if (isLimited) {
      return response.status(429).json({ error: "too many requests" });
    }
    const jobId = randomUUID();
    const earlier = await claimKey(redis, userId, idempotencyKey, jobId);
    if (earlier === null) {
      await queue.add(JOB, purchase(userId, productId, idempotencyKey), { jobId });
    }
    return response.json({ jobId: earlier ?? jobId, status: "queued" });
  });
  return app;
}
