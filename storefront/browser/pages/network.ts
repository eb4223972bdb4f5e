import type { Page } from "@playwright/test";

/** Has every WebSocket of a page fail, as behind a proxy that lets none through. */
export async function blockWebSockets(page: Page): Promise<void> {
  await page.addInitScript(() => {
    class BlockedSocket extends EventTarget {
      onerror: ((event: Event) => void) | null = null;
      onclose: ((event: CloseEvent) => void) | null = null;
      readonly binaryType = "blob";
      constructor() {
        super();
        setTimeout(() => {
          this.onerror?.(new Event("error"));
          this.onclose?.(new CloseEvent("close", { code: 1006 }));
        });
      }
      readonly send = (): void => undefined;
      readonly close = (): void => undefined;
    }
    Reflect.set(window, "WebSocket", BlockedSocket);
  });
}

/** Has every socket of a page fail, Socket.io's polling included. */
export async function blockSockets(page: Page): Promise<void> {
  await blockWebSockets(page);
  await page.route("**/socket.io/**", (route) => route.abort());
}

/** Has a page believe what it was told of the sales at first, as `change` makes it, for good. */
export async function keepStale(
  page: Page,
  change: (answer: string) => string = (answer) => answer,
): Promise<void> {
  await blockSockets(page);
  const told = new Map<string, string>();
  await page.route(
    ({ pathname }) => pathname === "/sales" || pathname.startsWith("/sales/"),
    async (route) => {
      const url = route.request().url();
      const known = told.get(url) ?? change(await (await route.fetch()).text());
      told.set(url, known);
      await route.fulfill({ contentType: "application/json", body: known });
    },
  );
}
