import { expect, type Locator, type Page } from "@playwright/test";

import type { Product } from "../stack/sale";
import type { Shop } from "../stack/shop";

/** The page of one sale, as shoppers find their way on it. */
export class SalePage {
  readonly page: Page;
  readonly shop: Shop;
  /** The countdown. */
  readonly timer: Locator;
  /** What tells that nobody answers. */
  readonly connectionLost: Locator;

  private constructor(page: Page, shop: Shop) {
    this.page = page;
    this.shop = shop;
    this.timer = page.getByRole("timer", { name: "Time until the opening" });
    this.connectionLost = page.getByRole("status").getByText("Connection lost. Trying again…");
  }

  /** Goes to the page and waits until the sale is shown. */
  static async open(page: Page, shop: Shop): Promise<SalePage> {
    await page.goto(`${shop.front}/shop/${shop.sale}`);
    return SalePage.at(page, shop);
  }

  /** Waits until the sale is shown, on a page that is there already. */
  static async at(page: Page, shop: Shop): Promise<SalePage> {
    const sale = new SalePage(page, shop);
    await expect(sale.card().article).toBeVisible();
    return sale;
  }

  /** The card of a product; of the first one unless told. */
  card(product: Product = this.shop.product()): ProductCard {
    return new ProductCard(this.page, product);
  }

  /** Reads the countdown, in seconds. */
  async secondsLeft(): Promise<number> {
    return secondsOf(await this.timer.innerText());
  }
}

/** One product on a page of a sale. */
export class ProductCard {
  readonly article: Locator;
  readonly stock: Locator;
  /** Where the shopper stands in line. */
  readonly place: Locator;
  /** The button that buys; asleep while it is disabled. */
  readonly buy: Locator;

  constructor(page: Page, product: Product) {
    this.article = page.getByRole("article", { name: product.name });
    this.stock = this.article.getByTestId("stock");
    this.place = this.says(/You are in line, position [\d,]+/);
    this.buy = this.article.getByRole("button", { name: new RegExp(`^Buy ${product.name}`) });
  }

  /** A sentence on the card, seen by everyone and not only heard. */
  says(sentence: string | RegExp): Locator {
    return this.article.getByText(sentence).filter({ visible: true }).first();
  }

  /** Waits for the confirmation and returns the order's number. */
  async orderNumber(): Promise<number> {
    const confirmation = this.says(/It’s yours, order \d+/);
    await expect(confirmation).toBeVisible();
    return numberIn(await confirmation.innerText());
  }

  /** Waits until the shopper stands in line and returns the place. */
  async position(): Promise<number> {
    await expect(this.place).toBeVisible();
    return numberIn(await this.place.innerText());
  }

  /** Wishes for another unit, once the wish before has its outcome. */
  async buyAgain(): Promise<void> {
    const shownAt = Date.now();
    const again = this.article.getByRole("button", { name: /one more|try again/i });
    await expect(again).toBeVisible();
    // Presses that follow each other faster than people mean them are one.
    await expect.poll(() => Date.now() - shownAt, { intervals: [50] }).toBeGreaterThan(700);
    await again.click();
  }

  /** Waits until this many units are shown as left. */
  async showsStock(units: number): Promise<void> {
    await expect(this.stock).toHaveText(new RegExp(`(^|\\D)${units}(\\D|$)`));
  }
}

/** The number that a sentence ends with: 1,234. */
export function numberIn(sentence: string): number {
  return Number(/([\d,]+)\D*$/.exec(sentence)?.[1]?.replaceAll(",", ""));
}

const secondsOfUnit: Record<string, number> = { day: 86_400, hour: 3600, minute: 60, second: 1 };

/** "1 hour, 2 minutes, 3 seconds"; what says the same again is passed over. */
function secondsOf(text: string): number {
  const units = new Map<string, number>();
  for (const [, count, unit = ""] of text.matchAll(/(\d+)\s+(day|hour|minute|second)/g)) {
    if (!units.has(unit)) units.set(unit, Number(count));
  }
  return [...units].reduce((sum, [unit, count]) => sum + count * (secondsOfUnit[unit] ?? 0), 0);
}
