import { expect, type Locator, type Page } from "@playwright/test";

import { operationsToken, type Shop } from "../stack/shop";

/** The page of those who run the sale. */
export class OperationsPage {
  readonly page: Page;
  readonly shop: Shop;
  /** All about the sale of the shop. */
  readonly sale: Locator;
  readonly letters: Locator;
  readonly dialog: Locator;

  private constructor(page: Page, shop: Shop) {
    this.page = page;
    this.shop = shop;
    this.sale = page.getByRole("region", { name: shop.sale, exact: true });
    this.letters = page.getByRole("table", { name: `Letters of ${shop.sale}` });
    this.dialog = page.getByRole("dialog");
  }

  /** Goes there and types the token. */
  static async open(page: Page, shop: Shop): Promise<OperationsPage> {
    await page.goto(`${shop.front}/ops`);
    await OperationsPage.enter(page, operationsToken);
    const operations = new OperationsPage(page, shop);
    await expect(operations.sale).toBeVisible();
    return operations;
  }

  /** Types a token. */
  static async enter(page: Page, token: string): Promise<void> {
    await page.getByLabel("Operations token").fill(token);
    await page.getByRole("button", { name: "Open", exact: true }).click();
  }

  /** A group of figures of the last second; "Confirmed" and the like by their names. */
  figure(group: string, name: string): Locator {
    return this.sale
      .getByRole("group", { name: group })
      .locator("div", { has: this.page.getByRole("term").filter({ hasText: name }) })
      .getByRole("definition");
  }

  /** The row of a product's lane. */
  lane(productId: string): Locator {
    return this.sale
      .getByRole("table", { name: /^Lanes of/ })
      .getByRole("row")
      .filter({ hasText: productId });
  }

  /** Dead letters, the head of the table left out. */
  get letterRows(): Locator {
    return this.letters.getByRole("row").filter({ has: this.page.getByRole("cell") });
  }

  /** Asks for all letters shown to be replayed or discarded; the dialog is open then. */
  async ask(verb: "Replay" | "Discard"): Promise<void> {
    await this.page.getByRole("checkbox", { name: "Select all shown" }).check();
    await this.page.getByRole("button", { name: `${verb} selected` }).click();
    await expect(this.dialog).toBeVisible();
  }
}
