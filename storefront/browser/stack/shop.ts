import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { binary } from "./binaries";
import { Child } from "./child";
import { manifest, type Manifest, type Product, type SaleSpec } from "./sale";
import type { Stores } from "./stores";

/** The token of the operations page of every shop here. */
export const operationsToken = "operations-token-of-the-tests";

/** What `flashsale load` tells, as far as a test looks. */
export interface CrowdReport {
  counts: { queued: number; confirmed: number };
  lost: number;
}

/** One sale on the real stack: `flashsale up` with a gateway and a worker of its own. */
export class Shop {
  /** Where the gateway listens, without a slash at the end. */
  readonly address: string;
  /** Where browsers go: the gateway, unless a development server stands before it. */
  front: string;
  readonly manifest: Manifest;
  private readonly up: Child;
  private readonly stores: Stores;
  private readonly directory: string;

  private constructor(up: Child, manifest: Manifest, stores: Stores, directory: string) {
    this.up = up;
    this.manifest = manifest;
    this.stores = stores;
    this.directory = directory;
    this.address = /^gateway +(http:\S+)$/m.exec(up.output)?.[1] ?? "";
    this.front = this.address;
  }

  /** Puts a sale in force and comes back when its gateway takes requests. */
  static async open(
    stores: Stores,
    spec: SaleSpec,
    environment: Record<string, string> = {},
    listen = "127.0.0.1:0",
  ): Promise<Shop> {
    const directory = await mkdtemp(join(tmpdir(), "shop-"));
    const written = manifest(spec);
    const file = join(directory, "sale.yaml");
    await writeFile(file, written.text);
    const up = new Child(
      binary("flashsale"),
      ["up", file, "--listen", listen, "--data-dir", join(directory, "data")],
      { FLASHSALE_OPERATIONS_TOKEN: operationsToken, ...stores.environment, ...environment },
    );
    await up.says(/^still up/m);
    return new Shop(up, written, stores, directory);
  }

  get sale(): string {
    return this.manifest.sale;
  }

  /** What shoppers read as its name. */
  get title(): string {
    return this.sale.replace("sale-", "Sale ");
  }

  /** The first product, or the one of this name. */
  product(name?: string): Product {
    const found = this.manifest.products.find(
      (product) => name === undefined || product.name === name,
    );
    if (!found) throw new Error(`the sale has no product ${name ?? ""}`);
    return found;
  }

  /** Kills the gateway (SIGKILL); it is started again on its port at once. */
  killGateway(): void {
    for (const pid of this.up.childrenNamed("flashsale-gateway")) process.kill(pid, "SIGKILL");
  }

  /** Kills the gateway and keeps it away until the function that this returns is called. */
  takeGatewayAway(): () => void {
    // Who is stopped starts nothing again.
    this.up.signal("SIGSTOP");
    this.killGateway();
    return () => {
      this.up.signal("SIGCONT");
    };
  }

  /** Stops the worker in the middle of whatever it does; lanes stand still until it is let go. */
  holdLanes(): () => void {
    const workers = this.up.childrenNamed("flashsale-worker");
    if (workers.length === 0) throw new Error("there is no worker to hold");
    for (const pid of workers) process.kill(pid, "SIGSTOP");
    return () => {
      for (const pid of workers) process.kill(pid, "SIGCONT");
    };
  }

  /** Has the ledger take this long for each order of this sale from now on. */
  async slowDown(seconds: number): Promise<void> {
    await this.onOrder(`PERFORM pg_sleep(${seconds});`);
  }

  /** Has the ledger refuse every order of this sale from now on. */
  async refuseOrders(): Promise<void> {
    await this.onOrder("RAISE EXCEPTION 'refused by a test' USING ERRCODE = 'check_violation';");
  }

  /** Undoes `slowDown` and `refuseOrders`. */
  async acceptOrders(): Promise<void> {
    await this.stores.query(`DROP FUNCTION ${this.sale.replaceAll("-", "_")}() CASCADE`);
  }

  /** Buys a unit without a browser and returns the gateway's answer. */
  async buyAs(userId: string, product = this.product()): Promise<Response> {
    return fetch(`${this.address}/buy`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": randomUUID() },
      body: JSON.stringify({ productId: product.id, userId }),
    });
  }

  /** How many orders the ledger has of a product, or of all of this sale. */
  async orders(product?: Product): Promise<number> {
    const ids = product ? [product.id] : this.manifest.products.map(({ id }) => id);
    const [row] = await this.stores.query<{ count: number }>(
      "SELECT count(*)::integer AS count FROM orders WHERE product_id = ANY($1)",
      [ids],
    );
    return row?.count ?? 0;
  }

  /** The order of this number, if there is one. */
  async ordersByNumber(number: number): Promise<{ product_id: string; user_id: string }[]> {
    return this.stores.query("SELECT product_id, user_id FROM orders WHERE id = $1", [number]);
  }

  /** What the orders of this sale cost, in the order in which they were made. */
  async prices(): Promise<number[]> {
    const ids = this.manifest.products.map(({ id }) => id);
    const sql = "SELECT price::integer FROM orders WHERE product_id = ANY($1) ORDER BY id";
    return (await this.stores.query<{ price: number }>(sql, [ids])).map((row) => row.price);
  }

  /** Who has orders of this sale, in the order in which they were made. */
  async shoppers(): Promise<string[]> {
    const ids = this.manifest.products.map(({ id }) => id);
    const sql = "SELECT user_id FROM orders WHERE product_id = ANY($1) ORDER BY id";
    return (await this.stores.query<{ user_id: string }>(sql, [ids])).map((row) => row.user_id);
  }

  /** How many buys of this sale the turnstile has ever let in. */
  async jobs(): Promise<number> {
    return Number(await this.stores.redis("HLEN", `fs:{${this.sale}}:jobs`));
  }

  /** What the gateway remembers of the last two minutes of this sale, second by second. */
  async history(): Promise<{ confirmed: number[]; queued: number[] }> {
    const headers = { Authorization: `Bearer ${operationsToken}` };
    const answer = await fetch(`${this.address}/operations/history`, { headers });
    const { sales } = (await answer.json()) as {
      sales: Partial<Record<string, { confirmed: number[]; queued: number[] }>>;
    };
    return sales[this.sale] ?? { confirmed: [], queued: [] };
  }

  /** Checks the laws of this sale; throws what is broken. */
  async audit(): Promise<void> {
    await this.tool("audit", "--sale", this.sale);
  }

  /** Puts units on sale, or takes them back. */
  async restock(by: number, product = this.product()): Promise<void> {
    await this.tool("restock", "--sale", this.sale, "--product", product.id, `--by=${by}`);
  }

  /** Sends simulated shoppers, and comes back when each has an outcome. */
  async crowd(shoppers: number): Promise<CrowdReport> {
    const products = this.manifest.products.flatMap(({ id }) => ["--product", id]);
    const crowd = ["--url", this.address, "--crowd", String(shoppers), "--json", ...products];
    return JSON.parse(await this.tool("load", ...crowd)) as CrowdReport;
  }

  /** Has every product cost this much from now on, as an edit of the sale does, and waits until the gateway knows. */
  async reprice(price: number): Promise<void> {
    // Who is stopped puts nothing back in force.
    this.up.signal("SIGSTOP");
    const key = `fs:{${this.sale}}`;
    const record = await this.stores.redis("HGET", key, "sale");
    const repriced = record.replaceAll(/"price":\d+/g, `"price":${price}`);
    await this.stores.redis("HSET", key, "sale", repriced);
    await this.stores.redis("PUBLISH", "fs:changed", this.sale);
    const shows = async () => (await fetch(`${this.address}/sales/${this.sale}`)).text();
    while (!(await shows()).includes(`"price":${price},`));
  }

  /** Takes the sale away as an operator does at its end, and waits until the gateway knows. */
  async withdraw(): Promise<void> {
    // Who is stopped puts nothing back in force.
    this.up.signal("SIGSTOP");
    await this.forget();
    while ((await fetch(`${this.address}/sales/${this.sale}`)).status !== 404);
  }

  /** Appends an entry to the lane of a product, as another producer would. */
  async pushJob(job: string, product = this.product()): Promise<void> {
    await this.stores.redis("XADD", `fs:{${this.sale}}:lane:${product.id}`, "*", "job", job);
    await this.stores.redis("PUBLISH", "fs:wake", `${this.sale} ${product.id}`);
  }

  /** What `up` and its children have said, for the report of a failed test. */
  async log(): Promise<string> {
    const logs = join(this.directory, "data", "logs");
    const names = await readdir(logs).catch(() => []);
    const texts = names.map(
      async (name) => `== ${name}\n${await readFile(join(logs, name), "utf8")}`,
    );
    return [`== up\n${this.up.output}`, ...(await Promise.all(texts))].join("\n");
  }

  /** Ends everything and leaves no trace of the sale but its orders. */
  async stop(): Promise<void> {
    for (const worker of this.up.childrenNamed("flashsale-worker")) process.kill(worker, "SIGCONT");
    this.up.signal("SIGCONT");
    // Twice: leave at once, since nobody waits for what is still in line.
    this.up.signal("SIGINT");
    this.up.signal("SIGTERM");
    await this.up.ended;
    await this.forget();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Has nothing in Redis know the sale any more. */
  private async forget(): Promise<void> {
    const keys = await this.stores.redis("--scan", "--pattern", `fs:{${this.sale}}*`);
    await this.stores.redis("DEL", ...keys.split("\n"));
    await this.stores.redis("SREM", "fs:sales", this.sale);
    await this.stores.redis("PUBLISH", "fs:changed", this.sale);
  }

  private async onOrder(statement: string): Promise<void> {
    const name = this.sale.replaceAll("-", "_");
    const ids = this.manifest.products.map(({ id }) => `'${id}'`).join(", ");
    await this.stores.query(
      `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql
         AS $$ BEGIN ${statement} RETURN NEW; END $$;
       CREATE TRIGGER ${name} BEFORE INSERT ON orders
         FOR EACH ROW WHEN (NEW.product_id IN (${ids})) EXECUTE FUNCTION ${name}()`,
    );
  }

  /** Runs a subcommand of `flashsale` to its end. */
  private async tool(...args: string[]): Promise<string> {
    const env = { ...process.env, ...this.stores.environment };
    return new Promise((resolve, reject) => {
      execFile(binary("flashsale"), args, { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
        if (error) reject(new Error(`flashsale ${args.join(" ")}:\n${stdout}${stderr}`));
        else resolve(stdout);
      });
    });
  }
}
