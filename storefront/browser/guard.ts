import type { BrowserContext, ConsoleMessage } from "@playwright/test";

/** Addresses of the interface: there a refusal is an answer, not a fault of the page. */
const interfacePaths = /^\/(buy|orders|sales|session|operations|socket\.io)(\/|\?|$)/;

/** Watches all pages of a browser for what no page of the shop may ever do. */
export class Guard {
  /** What was seen, in words. */
  readonly faults: string[] = [];

  /** Watches this browser context from now on. */
  async watch(context: BrowserContext): Promise<void> {
    await context.exposeBinding("reportViolation", (_source, violation: string) => {
      this.faults.push(`Content-Security-Policy: ${violation}`);
    });
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        const { violatedDirective, blockedURI, sourceFile, sample } = event;
        const report = Reflect.get(window, "reportViolation") as (text: string) => void;
        report(`${violatedDirective} ${blockedURI} ${sourceFile} ${sample}`);
      });
    });
    context.on("console", (message) => {
      if (message.type() === "error" && !isAnsweredRefusal(message)) {
        this.faults.push(`console: ${message.text()} (${message.location().url})`);
      }
    });
    context.on("weberror", (error) => {
      this.faults.push(`exception: ${error.error().stack ?? String(error.error())}`);
    });
  }
}

/** Browsers write each refused or failed request to the console; scripts cannot prevent it. */
function isAnsweredRefusal(message: ConsoleMessage): boolean {
  if (/^WebSocket connection to .* failed/.test(message.text())) return true;
  if (!message.text().startsWith("Failed to load resource")) return false;
  const { pathname } = new URL(message.location().url, "http://nowhere");
  return interfacePaths.test(pathname);
}
