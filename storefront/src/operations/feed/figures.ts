import type { components } from "../../server/schema";

type Schemas = components["schemas"];

/** What runs and what happened in the last second, as `GET /operations/figures` tells it. */
export type Figures = Schemas["Figures"];

/** A gateway heard from in the last seconds. */
export type GatewayFigures = Schemas["GatewayView"];

/** A worker heard from in the last seconds, and the lanes it drives. */
export type WorkerFigures = Schemas["WorkerView"];

/** One sale: where it stands, and its last second. */
export type SaleFigures = Schemas["SaleFigures"];

/** The lane of one product. */
export type LaneFigures = Schemas["LaneFigures"];

/** The seconds before, as `GET /operations/history` tells them. */
export type HistoryAnswer = Schemas["HistoryView"];

/** The seconds of one sale: one value a second, oldest first; all arrays are of one length. */
export type SaleHistory = Schemas["SaleHistory"];

/** Jobs that wait in all lanes of a sale. */
export function depthOf(sale: SaleFigures): number {
  return sale.lanes.reduce((sum, lane) => sum + lane.depth, 0);
}

/**
 * How long jobs wait in a lane without driver before that is trouble: a free worker looks for such
 * lanes twice a second, and one with more lanes than room goes from one to the next.
 */
const UNDRIVEN_AFTER_MS = 3_000;

/** Whether jobs have long been waiting in a lane that nobody drives. */
export function isUndriven({ depth, driver, oldestAgeMs }: LaneFigures): boolean {
  return depth > 0 && driver === null && (oldestAgeMs ?? Infinity) >= UNDRIVEN_AFTER_MS;
}
