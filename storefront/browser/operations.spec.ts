import { looksRight } from "./pages/looks";
import { OperationsPage } from "./pages/operations-page";
import { SalePage } from "./pages/sale-page";
import { startGuardedGateway } from "./stack/tokens";
import { expect, test } from "./test";

test.use({ contextOptions: { reducedMotion: "reduce" } });

test("nobody gets in with a wrong token, and it is not kept", async ({ page, openShop }) => {
  const shop = await openShop();
  await page.goto(`${shop.front}/ops`);
  await expect(page.getByLabel("Operations token")).toBeVisible();
  await looksRight(page, "operations, the gate");
  await OperationsPage.enter(page, "a-token-that-is-wrong");
  await expect(
    page.getByRole("alert").getByText("This is not the operations token."),
  ).toBeVisible();
  await expect(page.getByRole("region", { name: shop.sale, exact: true })).toHaveCount(0);
  await looksRight(page, "operations, refused");
  await OperationsPage.open(page, shop);
});

test("a token in the address lets in and is gone from it", async ({ page, openShop }) => {
  const shop = await openShop();
  await page.goto(`${shop.front}/ops#token=operations-token-of-the-tests`);
  await expect(page.getByRole("region", { name: shop.sale, exact: true })).toBeVisible();
  expect(page.url()).toBe(`${shop.front}/ops`);
  await page.reload();
  await expect(page.getByRole("region", { name: shop.sale, exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.reload();
  await expect(page.getByLabel("Operations token")).toBeVisible();
});

test("the shop does not run behind the page", async ({ page, openShop }) => {
  const shop = await openShop();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`${shop.front}/ops/#token=operations-token-of-the-tests`);
  await expect(page.getByRole("region", { name: shop.sale, exact: true })).toBeVisible();
  expect(asked).toContain("/operations/history");
  expect(asked.filter((path) => /^\/(session|sales|orders)/.test(path))).toEqual([]);
});

test("where operations are off, the page says how to have them on", async ({ page, stores }) => {
  const gateway = await startGuardedGateway(stores, "https://id.example.com/sign-in");
  await page.goto(`${gateway.address}/ops`);
  await OperationsPage.enter(page, "any-token-at-all-will-do");
  await expect(page.getByRole("alert").getByText("--operations-token")).toBeVisible();
  await gateway.stop();
});

test("the figures follow a sale: depth, driver, stock, buys and outcomes", async ({
  page,
  openShop,
}) => {
  const shop = await openShop();
  const operations = await OperationsPage.open(page, shop);
  const lane = operations.lane(shop.product().id);
  await expect(lane).toContainText("none, nothing waits");
  const letGo = shop.holdLanes();
  for (let shopper = 0; shopper < 7; shopper += 1) await shop.buyAs(`shopper-${shopper}`);
  await expect(lane.getByRole("cell").nth(1), "waiting").toHaveText("7");
  await expect(lane.getByRole("cell").nth(2), "oldest").toHaveText(/^[\d.]+ s$/);
  await looksRight(page, "operations, a lane that waits");
  letGo();
  await expect(lane.getByRole("cell").nth(1)).toHaveText("0");
  await expect(lane.getByRole("cell").nth(0), "stock").toHaveText("13");
  await expect(lane.getByRole("cell").nth(4), "settled").toHaveText("7");
});

test("the last second tells buys by answer, outcomes and batches", async ({ page, openShop }) => {
  const shop = await openShop({ products: [{ name: "Lamp", stock: 1000 }] });
  const operations = await OperationsPage.open(page, shop);
  const queued = operations.figure("Buys a second", "Queued");
  const confirmed = operations.figure("Outcomes a second", "Confirmed");
  const batches = operations.figure("Batches a second", "Count");
  await expect(queued).toHaveText("0");
  const enough = new AbortController();
  const buying = (async () => {
    for (let shopper = 0; !enough.signal.aborted; shopper += 1) {
      await shop.buyAs(`shopper-${shopper}`);
    }
  })();
  await expect(queued).not.toHaveText("0");
  await expect(confirmed).not.toHaveText("0");
  await expect(batches).not.toHaveText("0");
  await expect(
    operations.sale.getByRole("img", { name: /^Confirmations a second.* [1-9]\d* now/ }),
  ).toBeVisible();
  enough.abort();
  await buying;
  await expect(queued).toHaveText("0");
  await expect(confirmed).toHaveText("0");

  // Each order is counted in one second, and in no other.
  const history = await shop.history();
  const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  expect(sum(history.queued)).toBe(await shop.jobs());
  expect(sum(history.confirmed)).toBe(await shop.orders());
});

test("dead letters are found by reason, replayed and discarded, each after a question", async ({
  page,
  openShop,
}) => {
  const shop = await openShop({ attempts: 1, products: [{ name: "Lamp", stock: 10 }] });
  await shop.refuseOrders();
  for (const shopper of ["ann", "bob"]) await shop.buyAs(shopper);
  await shop.pushJob("this is no job");
  await shop.pushJob('{"jobId":"neither is this"}');
  const operations = await OperationsPage.open(page, shop);
  await expect(operations.letterRows).toHaveCount(4);
  await looksRight(page, "operations, dead letters");

  const reason = page.getByLabel("Reason contains");
  await reason.fill("REFUSED BY A TEST");
  await expect(operations.letterRows).toHaveCount(2);
  await expect(operations.letterRows.first()).toContainText("ann");
  await shop.acceptOrders();
  await operations.ask("Replay");
  await expect(operations.dialog).toContainText("Replay 2 dead letters?");
  await looksRight(page, "operations, the question");
  await operations.dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(operations.dialog).toBeHidden();
  expect(await shop.orders(), "nothing happens without a yes").toBe(0);

  await page.getByRole("button", { name: "Replay selected" }).click();
  await operations.dialog.getByRole("button", { name: "Replay" }).click();
  await expect(operations.sale).toContainText("2 replayed.");
  await expect.poll(() => shop.orders()).toBe(2);

  await reason.fill("");
  await expect(operations.letterRows).toHaveCount(2);
  await operations.ask("Discard");
  await operations.dialog.getByRole("button", { name: "Discard" }).click();
  await expect(operations.sale).toContainText("2 discarded.");
  await expect(operations.letterRows).toHaveCount(0);
  await shop.audit();
});

test("a shopper whose order failed gets it when the letter is replayed", async ({
  page,
  newShopper,
  openShop,
}) => {
  const shop = await openShop({ attempts: 1 });
  await shop.refuseOrders();
  const shopper = await newShopper();
  const sale = await SalePage.open(shopper, shop);
  await sale.card().buy.click();
  await expect(sale.card().says("Something went wrong with this order")).toBeVisible();
  await shop.acceptOrders();
  const operations = await OperationsPage.open(page, shop);
  await operations.ask("Replay");
  await operations.dialog.getByRole("button", { name: "Replay" }).click();
  await expect.poll(() => shop.orders()).toBe(1);
  await sale.card().orderNumber();
});

test("the question before a letter is discarded is answered by keyboard alone", async ({
  page,
  openShop,
}) => {
  const shop = await openShop();
  await shop.pushJob("this is no job");
  const operations = await OperationsPage.open(page, shop);
  await page.getByRole("checkbox", { name: "Select all shown" }).focus();
  await page.keyboard.press("Space");
  const discard = page.getByRole("button", { name: "Discard selected" });
  for (let presses = 0; presses < 20; presses += 1) {
    if (await discard.evaluate((button) => button === document.activeElement)) break;
    await page.keyboard.press("Tab");
  }
  await expect(discard).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(operations.dialog).toBeVisible();
  await expect(operations.dialog.getByRole("button", { name: "Cancel" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(operations.dialog).toBeHidden();
  await expect(discard).toBeFocused();
  await expect(operations.letterRows).toHaveCount(1);

  await page.keyboard.press("Enter");
  await expect(operations.dialog.getByRole("button", { name: "Cancel" })).toBeFocused();
  await page.keyboard.press("Tab");
  await expect(operations.dialog.getByRole("button", { name: "Discard" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(operations.letterRows).toHaveCount(0);
});

test("the page says when the gateway or Redis does not answer, and goes on afterwards", async ({
  page,
  openShop,
  stores,
}) => {
  const shop = await openShop();
  const operations = await OperationsPage.open(page, shop);
  const old = page.getByText(/^Figures are old since/);
  await expect(old).toBeHidden();
  const letGo = stores.holdRedis();
  try {
    await expect(old).toBeVisible();
    await looksRight(page, "operations, Redis away");
  } finally {
    letGo();
  }
  await expect(old).toBeHidden();

  const bringBack = shop.takeGatewayAway();
  await expect(page.getByText(/The gateway does not answer/).first()).toBeVisible();
  bringBack();
  await expect(old).toBeHidden();
  await shop.restock(5);
  await expect(operations.lane(shop.product().id).getByRole("cell").first()).toHaveText("25");
});

test("the report counts every order, and is saved as Markdown and JSON", async ({
  page,
  openShop,
  newShopper,
}) => {
  const shop = await openShop();
  const sale = await SalePage.open(await newShopper(), shop);
  await sale.card().buy.click();
  await sale.card().orderNumber();
  await OperationsPage.open(page, shop);
  const report = page.getByRole("region", { name: `Report of ${shop.sale}` });
  const steps = report.getByRole("table", { name: /^What became of/ });
  const confirmed = steps.getByRole("row", { name: /^Confirmed/ }).getByRole("cell");
  const asked = steps.getByRole("row", { name: /^Asked/ }).getByRole("cell");
  await report.getByRole("button", { name: "Show report" }).click();
  await expect(steps).toBeVisible();
  await expect(async () => {
    await report.getByRole("button", { name: /Count again|Counting/ }).click();
    await expect(confirmed).toHaveText("1", { timeout: 1000 });
    await expect(asked).toHaveText("1", { timeout: 1000 });
  }).toPass();
  await expect(report.getByRole("table", { name: /^Products of/ })).toContainText(
    shop.product().id,
  );
  await looksRight(page, "operations, the report");
  for (const [button, name] of [
    ["Save Markdown", `${shop.sale}.md`],
    ["Save JSON", `${shop.sale}.json`],
  ] as const) {
    const download = page.waitForEvent("download");
    await report.getByRole("button", { name: button }).click();
    expect((await download).suggestedFilename()).toBe(name);
  }
});
