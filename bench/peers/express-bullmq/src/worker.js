// The worker process.

import { Worker } from "bullmq";
import pg from "pg";
import { workerConnection } from "./connections.js";
import { QUEUE } from "./purchases.js";
import { settle } from "./settle.js";
import { databaseUrl, positive } from "./settings.js";

const concurrency = positive("CONCURRENCY", 16);
const connection = workerConnection();
// A connection for each job in work, or jobs would wait for one another here.
const pool = new pg.Pool({ connectionString: databaseUrl(), max: concurrency });

const worker = new Worker(QUEUE, (job) => settle(pool, job.data), { connection, concurrency });
worker.on("failed", (job, error) => console.error(`job ${job?.id} failed: ${error.message}`));
worker.on("error", (error) => console.error(error.message));

process.once("SIGTERM", async () => {
  await worker.close();
  await connection.quit();
  await pool.end();
});
