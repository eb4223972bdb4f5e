/** How far a stock has fallen, in the steps that are worth a word; higher is less. */
export const STOCK_LEVELS = { plenty: 0, half: 1, quarter: 2, lastTen: 3, soldOut: 4 } as const;

/** From here on every unit counts. */
export const LAST_TEN = 10;

/** One of `STOCK_LEVELS`. */
export type StockLevel = (typeof STOCK_LEVELS)[keyof typeof STOCK_LEVELS];

/** The level of a stock of `left` units that was `full` at first. */
export function stockLevel(left: number, full: number): StockLevel {
  if (left <= 0) {
    return STOCK_LEVELS.soldOut;
  }
  if (left <= LAST_TEN) {
    return STOCK_LEVELS.lastTen;
  }
  if (left <= full / 4) {
    return STOCK_LEVELS.quarter;
  }
  return left <= full / 2 ? STOCK_LEVELS.half : STOCK_LEVELS.plenty;
}
