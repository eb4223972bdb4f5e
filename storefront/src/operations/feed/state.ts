import type { Figures } from "./figures";
import { appendSecond, mergeHistories, secondOf, type History } from "./history";

/** How the figures come. */
export type FeedConnection =
  /** Nothing has been heard yet. */
  | "connecting"
  /** By Socket.io. */
  | "live"
  /** Asked for each second, since Socket.io does not get through. */
  | "polling"
  /** Nobody answers. */
  | "lost";

/** All that the page knows of the system. */
export interface FeedState {
  readonly connection: FeedConnection;
  readonly figures: Figures | null;
  /** Server's time of the newest figures, in milliseconds; null before the first. */
  readonly at: number | null;
  /** Server's time when the figures of the lanes were last current. */
  readonly currentAt: number | null;
  readonly histories: ReadonlyMap<string, History>;
  /** Why the gateway shows nothing: the token is wrong, or operations are off. */
  readonly refusedBy: "token" | "off" | null;
}

/** Before the first answer. */
export const NOTHING_YET: FeedState = {
  connection: "connecting",
  figures: null,
  at: null,
  currentAt: null,
  histories: new Map(),
  refusedBy: null,
};

/** The state with newer figures. */
export function withFigures(state: FeedState, figures: Figures): FeedState {
  const at = Date.parse(figures.serverTime);
  return {
    ...state,
    figures,
    at,
    currentAt: figures.isCurrent ? at : state.currentAt,
    histories: figures.isCurrent ? grown(state.histories, figures, at) : state.histories,
  };
}

/** The state with the seconds that the gateway remembers. */
export function withHistories(state: FeedState, told: ReadonlyMap<string, History>): FeedState {
  const histories = new Map(state.histories);
  for (const [sale, history] of told) {
    const own = histories.get(sale);
    histories.set(sale, own ? mergeHistories(history, own) : history);
  }
  return { ...state, histories };
}

function grown(
  histories: ReadonlyMap<string, History>,
  figures: Figures,
  at: number,
): ReadonlyMap<string, History> {
  return new Map(
    figures.sales.map((sale) => [
      sale.sale,
      appendSecond(histories.get(sale.sale) ?? null, at, secondOf(sale)),
    ]),
  );
}
