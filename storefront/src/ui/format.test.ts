import { expect, test } from "vitest";

import { formatPrice } from "./format";

test.each([
  [124_900, "USD", "$1,249.00"],
  [1249, "JPY", "¥1,249"],
  [1249, "KWD", "KWD 1.249"],
  [4900, undefined, "$49.00"],
  [9_007_199_254_740_991, "EUR", "€90,071,992,547,409.91"],
])("%d minor units of %s are %s", (price, currency, text) => {
  expect(formatPrice({ price, currency }).replaceAll("\u00a0", " ")).toBe(text);
});
