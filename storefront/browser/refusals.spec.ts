import type { Page, Route } from "@playwright/test";

import { keepStale } from "./pages/network";
import { SalePage } from "./pages/sale-page";
import { expect, test } from "./test";

/** Notes when each buy was sent, in milliseconds. */
function buyTimes(page: Page): number[] {
  const times: number[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/buy")) times.push(Date.now());
  });
  return times;
}

test("sale-not-open: a press too early is told so", async ({ page, openShop }) => {
  const shop = await openShop({ opensInSeconds: 600 });
  // A page that takes the sale for open already.
  await keepStale(page, (answer) =>
    answer.replaceAll('"Scheduled"', '"Open"').replaceAll(/"opensAt":"[^"]*"/g, '"opensAt":null'),
  );
  const sale = await SalePage.open(page, shop);
  await sale.card().buy.click();
  await expect(sale.card().says("The sale is not open yet.")).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("The sale is not open yet.");
  expect(await shop.jobs()).toBe(0);
});

test("sale-closed: a press too late is told so", async ({ page, openShop }) => {
  const shop = await openShop({ closesInSeconds: 5 });
  await keepStale(page, (answer) => answer.replaceAll(/"closesAt":"[^"]*"/g, '"closesAt":null'));
  const sale = await SalePage.open(page, shop);
  await expect.poll(async () => (await shop.buyAs("ann")).status).toBe(403);
  await sale.card().buy.click();
  await expect(sale.card().says("The sale is over.")).toBeVisible();
});

test("quota-exceeded: the wait that the gateway asks for is kept", async ({ page, openShop }) => {
  const shop = await openShop({
    products: [
      { name: "Lamp", stock: 9 },
      { name: "Kettle", stock: 9 },
    ],
    turnstile: { rateLimit: { requests: 1, windowSeconds: 4, burst: 1 } },
  });
  const sale = await SalePage.open(page, shop);
  const lamp = sale.card(shop.product("Lamp"));
  const kettle = sale.card(shop.product("Kettle"));
  await lamp.buy.click();
  await lamp.orderNumber();
  const times = buyTimes(page);
  const refused = page.waitForResponse((response) => response.status() === 429);
  await kettle.buy.click();
  const retryAfter = Number((await refused).headers()["retry-after"]);
  expect(retryAfter).toBeGreaterThan(0);
  await expect(kettle.says("That was a bit fast. We try again for you in a moment.")).toBeVisible();
  await kettle.orderNumber();
  const [first = 0, second = 0] = times;
  expect(times).toHaveLength(2);
  expect(second - first).toBeGreaterThanOrEqual(retryAfter * 1000 - 50);
  expect(second - first).toBeLessThan(retryAfter * 1000 + 4000);
});

test("lane-full: the buy is sent again when there is room", async ({ page, openShop }) => {
  const shop = await openShop({ turnstile: { maxQueueDepth: 1 } });
  const sale = await SalePage.open(page, shop);
  const letGo = shop.holdLanes();
  await shop.buyAs("ann");
  await sale.card().buy.click();
  await expect(
    sale.card().says("The line is full right now. We keep trying for you."),
  ).toBeVisible();
  letGo();
  await sale.card().orderNumber();
  expect(await shop.orders()).toBe(2);
});

test("price-higher: the new price is shown, and pressing again agrees to it", async ({
  page,
  openShop,
}) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  await expect(sale.card().says("$49.00")).toBeVisible();
  await shop.reprice(5900);
  await sale.card().buy.click();
  await expect(sale.card().says(/^The price has changed and nothing was bought/)).toBeVisible();
  await expect(sale.card().says("$59.00")).toBeVisible();
  expect(await shop.jobs()).toBe(0);
  await sale.card().buyAgain();
  await sale.card().orderNumber();
  expect(await shop.prices()).toEqual([5900]);
});

test("unknown-product: what was withdrawn cannot be bought", async ({ page, openShop }) => {
  const shop = await openShop();
  await keepStale(page);
  const sale = await SalePage.open(page, shop);
  await shop.withdraw();
  await expect.poll(async () => (await shop.buyAs("ann")).status).toBe(404);
  await sale.card().buy.click();
  await expect(sale.card().says("This product is no longer on sale.")).toBeVisible();
});

test("idempotency-key-reused: the buy goes again under a key of its own", async ({
  page,
  openShop,
}) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  const keys: (string | undefined)[] = [];
  await page.route("**/buy", async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    if (keys.length > 1) await route.continue();
    else await route.fulfill(problem("idempotency-key-reused", 422));
  });
  await sale.card().buy.click();
  await sale.card().orderNumber();
  expect(new Set(keys).size).toBe(2);
  expect(await shop.orders()).toBe(1);
});

/** An answer that refuses, as the gateway writes it. */
function problem(kind: string, status: number): Parameters<Route["fulfill"]>[0] {
  return {
    status,
    headers: { "Content-Type": "application/problem+json", "Retry-After": "1" },
    body: JSON.stringify({
      type: `https://flashsale.dev/problems/${kind}`,
      title: "A title for developers",
      status,
      detail: "A detail for developers",
    }),
  };
}

/** Kinds that a page of this shop cannot provoke, and what shoppers read about them. */
const sentences: [kind: string, status: number, sentence: string, isFinal: boolean][] = [
  ["idempotency-key-missing", 400, "This page is out of date.", true],
  ["idempotency-key-invalid", 400, "This page is out of date.", true],
  ["body-invalid", 400, "This page is out of date.", true],
  ["http-invalid", 400, "Something between you and the shop garbled the request.", true],
  ["unauthorized", 401, "Please sign in to buy.", true],
  ["unknown-sale", 404, "This sale is no longer on.", true],
  ["not-found", 404, "We could not find that.", true],
  ["method-not-allowed", 405, "This page is out of date.", true],
  ["request-timeout", 408, "Your connection is slow. We keep trying for you.", false],
  ["sold-out", 409, "Sold out", true],
  ["price-higher", 409, "The price has changed and nothing was bought.", true],
  ["body-too-large", 413, "This page is out of date.", true],
  ["media-type-unsupported", 415, "This page is out of date.", true],
  ["expectation-failed", 417, "Something between you and the shop garbled the request.", true],
  ["quota-exceeded", 429, "That was a bit fast. We try again for you in a moment.", false],
  ["head-too-large", 431, "Your browser sends too much.", true],
  ["internal-error", 500, "Something broke on our side. We keep trying for you.", false],
  ["lane-full", 503, "The line is full right now. We keep trying for you.", false],
  ["unavailable", 503, "The shop is busy. We keep trying for you.", false],
  ["a-kind-of-tomorrow", 400, "Something went wrong.", true],
];

test("each refusal has a plain sentence, and those that pass are tried again", async ({
  page,
  openShop,
}) => {
  // A product for each kind, so that one page shows them all.
  const shop = await openShop({
    products: sentences.map(([kind]) => ({ name: kind, stock: 1 })),
    turnstile: { rateLimit: { requests: 1000, windowSeconds: 1 } },
  });
  const sent = new Map<string, number>();
  await page.route("**/buy", async (route) => {
    const { productId } = route.request().postDataJSON() as { productId: string };
    const times = (sent.get(productId) ?? 0) + 1;
    sent.set(productId, times);
    const place = shop.manifest.products.findIndex(({ id }) => id === productId);
    const [kind, status] = sentences[place] ?? ["not-found", 404];
    if (times > 1) await route.continue();
    else await route.fulfill(problem(kind, status));
  });
  const sale = await SalePage.open(page, shop);
  for (const [kind, , sentence, isFinal] of sentences) {
    const product = shop.product(kind);
    const card = sale.card(product);
    await card.buy.click();
    await expect(card.says(sentence), kind).toBeVisible();
    await expect(card.article, kind).not.toContainText("for developers");
    if (!isFinal) await card.orderNumber();
    expect(sent.get(product.id), kind).toBe(isFinal ? 1 : 2);
  }
});
