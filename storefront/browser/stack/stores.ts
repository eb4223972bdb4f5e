import { execFile } from "node:child_process";
import { promisify } from "node:util";

import pg from "pg";

const run = promisify(execFile);

/** The PostgreSQL and the Redis of one worker of the test runner. */
export class Stores {
  private readonly databaseUrl: string;
  private readonly redisUrl: string;
  private readonly redisPid: number;
  private readonly pool: pg.Pool;

  constructor(databaseUrl: string, redisUrl: string, redisPid: number) {
    this.databaseUrl = databaseUrl;
    this.redisUrl = redisUrl;
    this.redisPid = redisPid;
    this.pool = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  }

  /** How programs of this system are told where the stores are. */
  get environment(): Record<string, string> {
    return { FLASHSALE_DATABASE_URL: this.databaseUrl, FLASHSALE_REDIS_URL: this.redisUrl };
  }

  /** Asks PostgreSQL. */
  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.pool.query<Row>(sql, values)).rows;
  }

  /** Sends one command to Redis and returns what redis-cli prints, without the last line break. */
  async redis(...command: string[]): Promise<string> {
    const { hostname, port, password } = new URL(this.redisUrl);
    const { stdout } = await run("redis-cli", ["-h", hostname, "-p", port, ...command], {
      env: { ...process.env, REDISCLI_AUTH: decodeURIComponent(password) },
    });
    return stdout.trimEnd();
  }

  /** Stops Redis in the middle of whatever it does; it answers nobody until it is let go. */
  holdRedis(): () => void {
    process.kill(this.redisPid, "SIGSTOP");
    return () => {
      process.kill(this.redisPid, "SIGCONT");
    };
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}
