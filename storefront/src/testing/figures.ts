import type { Figures, LaneFigures, SaleFigures } from "../operations/feed/figures";

/** A quiet lane for tests. */
export function lane(change: Partial<LaneFigures> = {}): LaneFigures {
  return {
    productId: "lamp",
    name: "Lamp",
    stock: 10,
    depth: 0,
    settled: 0,
    oldestAgeMs: null,
    driver: "worker-1",
    ...change,
  };
}

/** An open sale for tests, with one quiet lane. */
export function sale(change: Partial<SaleFigures> = {}): SaleFigures {
  return {
    sale: "market",
    status: "Open",
    opensAt: "2026-11-22T12:00:00Z",
    closesAt: "2026-11-22T13:00:00Z",
    lanes: [lane()],
    deadLetters: 0,
    buys: {},
    outcomes: { confirmed: 0, soldOut: 0, limitReached: 0, failed: 0 },
    batches: { count: 0, jobs: 0, largest: 0 },
    ...change,
  };
}

/** Figures for tests: one gateway, one worker, the sales given. */
export function figures(...sales: SaleFigures[]): Figures {
  return {
    serverTime: "2026-11-22T12:00:05Z",
    isCurrent: true,
    gateways: [{ name: "gateway-1", version: "0.1.0", sockets: 3 }],
    workers: [{ name: "worker-1", version: "0.1.0", lanes: [] }],
    sales,
  };
}
