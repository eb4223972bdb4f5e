import { test as base, expect, type BrowserContext, type Page } from "@playwright/test";

import { Guard } from "./guard";
import { startFront } from "./stack/front";
import type { SaleSpec } from "./stack/sale";
import { Shop } from "./stack/shop";
import { withStores } from "./stack/start";
import type { Stores } from "./stack/stores";

interface TestFixtures {
  /** Watches every page of the test; the test fails on what it saw. */
  guard: Guard;
  /** Puts a sale in force on a gateway and a worker of its own; ended with the test. */
  openShop: (
    spec?: SaleSpec,
    environment?: Record<string, string>,
    listen?: string,
  ) => Promise<Shop>;
  /** A browser of somebody else, with storage of its own. */
  newBrowser: () => Promise<BrowserContext>;
  /** A page of somebody else. */
  newShopper: () => Promise<Page>;
}

interface WorkerFixtures {
  /** PostgreSQL and Redis, shared by the tests that run one after another in one worker. */
  stores: Stores;
}

/** Tests of the shop in a browser against the real stack. */
export const test = base.extend<TestFixtures, WorkerFixtures>({
  stores: [
    // The runner reads what a fixture needs from this pattern.
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      await withStores(use);
    },
    { scope: "worker", timeout: 180_000 },
  ],

  guard: [
    async ({ context }, use) => {
      const guard = new Guard();
      await guard.watch(context);
      await use(guard);
      expect(guard.faults, "no page breaks its policy or throws").toEqual([]);
    },
    { auto: true },
  ],

  openShop: async ({ stores }, use, testInfo) => {
    const endings: (() => Promise<void>)[] = [];
    await use(async (spec = {}, environment = {}, listen?: string) => {
      const shop = await Shop.open(stores, spec, environment, listen);
      const front = await startFront(shop.address);
      shop.front = front.address;
      endings.push(async () => {
        if (testInfo.status !== testInfo.expectedStatus) {
          await testInfo.attach(`${shop.sale}.log`, { body: await shop.log() });
        }
        await front.stop();
        await shop.stop();
      });
      return shop;
    });
    await Promise.all(endings.map((end) => end()));
  },

  newBrowser: async ({ browser, guard, contextOptions }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async () => {
      const context = await browser.newContext(contextOptions);
      contexts.push(context);
      await guard.watch(context);
      return context;
    });
    await Promise.all(contexts.map((context) => context.close()));
  },

  newShopper: async ({ newBrowser }, use) => {
    await use(async () => (await newBrowser()).newPage());
  },
});

export { expect };
