// A gateway for tests: it answers like the real one, and fails on demand.
import type { OpenSocket, SocketLike } from "../live/connection";

/** One request that came. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly key: string | null;
  readonly authorization: string | null;
  readonly pass: string | null;
  readonly body: Record<string, unknown>;
  /** By the test's clock. */
  readonly at: number;
}

/** How the gateway treats a request in place of what it would do. */
export type Treatment =
  /** The connection breaks before anything happened. */
  | { readonly does: "cut" }
  /** The request is handled, and the answer gets lost. */
  | { readonly does: "lose" }
  | {
      readonly does: "refuse";
      readonly status: number;
      readonly kind: string;
      readonly more?: Refusal;
    };

interface Refusal {
  readonly headers?: Record<string, string>;
  readonly opensAt?: string;
}

/** An order that has, or had, to be paid. */
interface Order {
  readonly id: number;
  readonly state: "pending" | "completed" | "cancelled";
  readonly expiresAt?: string;
  readonly reason?: string;
}

interface Job {
  readonly jobId: string;
  readonly userId: string;
  readonly productId: string;
  readonly ticket: number;
  outcome: { status: string; orderId?: number; order?: Order } | null;
}

/** A socket that the test holds the other end of. */
export interface FakeSocket extends SocketLike {
  readonly credentials: () => object;
  readonly emit: (event: string, payload?: unknown) => void;
  connect: () => unknown;
  isConnected: boolean;
  active: boolean;
}

/** A sale that is open, unless the test says otherwise. */
export function aSale(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    sale: "drop",
    status: "Open",
    opensAt: null,
    closesAt: null,
    products: [
      { productId: "shoe", name: "Shoe", price: 4900, stock: 10, offered: 10, maxPerUser: 1 },
      { productId: "sock", name: "Sock", price: 900, stock: 10 },
    ],
    ...changes,
  };
}

/** A gateway whose state the test may change at any time. */
export class FakeGateway {
  readonly calls: Call[] = [];
  readonly sockets: FakeSocket[] = [];
  readonly jobs = new Map<string, Job>();
  /** Requests by key, as Redis keeps them. */
  readonly keys = new Map<string, string>();
  /** What happens to the next buys, in their order; after that they are taken. */
  readonly treatments: Treatment[] = [];
  /** Nobody answers anything, and sockets do not connect. */
  isDown = false;
  isAuthOn = false;
  signInUrl: string | null = "https://accounts.example.com/sign-in?shop=1";
  /** Tokens that are accepted, with who they are. */
  readonly tokens = new Map<string, string>();
  sales: Record<string, unknown>[] = [aSale()];
  /** The server's clock minus the test's. */
  skew = 0;
  settled = 0;
  verifier = "proof-of-work";
  /** How long a buy is on its way, there and back, in milliseconds. */
  latency = 10;

  readonly fetch: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    const text = typeof init?.body === "string" ? init.body : "{}";
    const call: Call = {
      method: init?.method ?? "GET",
      path: String(input instanceof Request ? input.url : input),
      key: headers.get("Idempotency-Key"),
      authorization: headers.get("Authorization"),
      pass: headers.get("Flashsale-Pass"),
      body: JSON.parse(text) as Record<string, unknown>,
      at: Date.now(),
    };
    this.calls.push(call);
    const way = (call.path === "/buy" ? this.latency : 10) / 2;
    await new Promise((resolve) => setTimeout(resolve, way));
    if (this.isDown) throw new TypeError("fetch failed");
    const response = this.answer(call);
    await new Promise((resolve) => setTimeout(resolve, way));
    if (response === null) throw new TypeError("fetch failed");
    return response;
  };

  readonly openSocket: OpenSocket = (credentials) => {
    const listeners = new Map<string, ((payload?: unknown) => void)[]>();
    const socket: FakeSocket = {
      credentials,
      isConnected: false,
      active: false,
      emit: (event, payload) => {
        for (const listener of listeners.get(event) ?? []) listener(payload);
      },
      on: (event, listener) => listeners.set(event, [...(listeners.get(event) ?? []), listener]),
      connect: () => {
        if (socket.isConnected) return;
        socket.active = true;
        socket.isConnected = !this.isDown;
        socket.emit(this.isDown ? "connect_error" : "connect");
      },
      disconnect: () => {
        socket.active = false;
        socket.isConnected = false;
      },
    };
    this.sockets.push(socket);
    return Promise.resolve(socket);
  };

  /** Tells every connected socket. */
  tell(event: string, payload: unknown): void {
    for (const socket of this.sockets) if (socket.isConnected) socket.emit(event, payload);
  }

  /** The gateway dies. */
  die(): void {
    this.isDown = true;
    for (const socket of this.sockets) {
      if (!socket.isConnected) continue;
      socket.isConnected = false;
      socket.emit("disconnect");
    }
  }

  /** Disconnects every socket, as the gateway does when a token ends: none connects by itself. */
  endSockets(): void {
    for (const socket of this.sockets) {
      if (!socket.isConnected) continue;
      socket.isConnected = false;
      socket.active = false;
      socket.emit("disconnect");
    }
  }

  /** The gateway is back, and sockets find it. */
  rise(): void {
    this.isDown = false;
    for (const socket of this.sockets) if (socket.active) socket.connect();
  }

  /** Settles a job, and tells unless `isQuiet`. */
  settle(jobId: string, status: string, orderId?: number, isQuiet = false): void {
    const job = this.jobs.get(jobId);
    if (!job) throw new Error(`no job ${jobId}`);
    job.outcome = orderId === undefined ? { status } : { status, orderId };
    this.settled += 1;
    if (isQuiet) return;
    const { productId } = job;
    if (status === "confirmed") this.tell("order_confirmed", { jobId, orderId, productId });
    else this.tell("order_rejected", { jobId, productId, reason: status });
  }

  /** Settles a job as an order that has to be paid until `expiresAt`, and tells unless `isQuiet`. */
  owe(jobId: string, orderId: number, expiresAt: number, isQuiet = false): void {
    this.settle(jobId, "confirmed", orderId, true);
    const until = new Date(expiresAt).toISOString();
    this.change(jobId, { id: orderId, state: "pending", expiresAt: until }, isQuiet);
  }

  /** The job's order now is `order`, and that is told unless `isQuiet`. */
  change(jobId: string, order: Order, isQuiet = false): void {
    const job = this.jobs.get(jobId);
    if (!job) throw new Error(`no job ${jobId}`);
    const { id: orderId, state, expiresAt, reason = null } = order;
    job.outcome =
      state === "cancelled"
        ? { status: "cancelled", order }
        : { status: "confirmed", orderId, order };
    if (isQuiet) return;
    const told = { jobId, orderId, productId: job.productId };
    if (state === "pending") this.tell("order_confirmed", { ...told, expiresAt });
    else if (state === "completed") this.tell("order_paid", told);
    else this.tell("order_cancelled", { ...told, reason });
  }

  buys(): Call[] {
    return this.calls.filter(({ path }) => path === "/buy");
  }

  asked(): Call[] {
    return this.calls.filter(({ path }) => path.startsWith("/orders/"));
  }

  onlyJob(): Job {
    const [job, ...others] = this.jobs.values();
    if (!job || others.length > 0) throw new Error(`there are ${this.jobs.size} jobs`);
    return job;
  }

  private answer(call: Call): Response | null {
    const token = call.authorization?.replace("Bearer ", "") ?? null;
    const user = token === null ? null : (this.tokens.get(token) ?? null);
    const isStranger = this.isAuthOn && token !== null && user === null;
    if (call.path === "/session") {
      if (isStranger) return refusal(401, "unauthorized");
      const auth = this.isAuthOn ? "jwt" : "off";
      return json({ auth, userId: user, signInUrl: this.signInUrl, operations: false });
    }
    if (call.path === "/sales") {
      const serverTime = new Date(Date.now() + this.skew).toISOString();
      return json({ serverTime, sales: this.sales.map((sale) => ({ ...sale, serverTime })) });
    }
    if (this.isAuthOn && user === null) return refusal(401, "unauthorized");
    if (call.path === "/pass/challenge") {
      const isWork = this.verifier === "proof-of-work";
      const task = isWork
        ? { challenge: "challenge", difficulty: 4, siteKey: null }
        : { challenge: null, difficulty: null, siteKey: "key" };
      return json({ verifier: this.verifier, ...task });
    }
    if (call.path === "/pass") {
      const expiresAt = new Date(Date.now() + this.skew + 1_800_000).toISOString();
      return json({ pass: `pass of ${user ?? String(call.body["userId"])}`, expiresAt });
    }
    if (call.path === "/buy") return this.buy(call, user ?? String(call.body["userId"]));
    return this.order(call.path.slice("/orders/".length));
  }

  private buy(call: Call, userId: string): Response | null {
    const treatment = this.treatments.shift();
    if (treatment?.does === "cut") return null;
    if (treatment?.does === "refuse")
      return refusal(treatment.status, treatment.kind, treatment.more);
    const isGuarded = this.sales.some(({ passRequired }) => passRequired === true);
    if (isGuarded && call.pass !== `pass of ${userId}`) return refusal(403, "pass-required");
    const name = `${userId} ${call.key ?? ""}`;
    const jobId = this.keys.get(name) ?? `job-${String(this.keys.size + 1).padStart(4, "0")}`;
    const ticket = this.jobs.size + 1;
    if (!this.keys.has(name)) {
      const productId = String(call.body["productId"]);
      this.keys.set(name, jobId);
      this.jobs.set(jobId, { jobId, userId, productId, ticket, outcome: null });
    }
    if (treatment?.does === "lose") return null;
    return json({ jobId, status: "queued", position: ticket });
  }

  private order(jobId: string): Response {
    const job = this.jobs.get(jobId);
    if (!job) return refusal(404, "unknown-order");
    const { productId, ticket } = job;
    const serverTime = new Date(Date.now() + this.skew).toISOString();
    const clock = job.outcome?.order?.state === "pending" ? { serverTime } : {};
    if (job.outcome) return json({ jobId, productId, ...job.outcome, ...clock });
    const position = Math.max(1, ticket - this.settled);
    return json({ jobId, productId, status: "queued", position, ticket });
  }
}

function json(body: unknown): Response {
  return new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
}

function refusal(status: number, kind: string, { headers, opensAt }: Refusal = {}): Response {
  const type = `https://flashsale.dev/problems/${kind}`;
  return new Response(JSON.stringify({ type, title: kind, status, detail: kind, opensAt }), {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
  });
}
