import { createServer } from "node:net";
import { join } from "node:path";

import { checkout } from "./binaries";
import { Child } from "./child";

/** Where browsers go. */
export interface Front {
  /** Without a slash at the end. */
  address: string;
  stop: () => Promise<void>;
}

/**
 * Puts Vite's development server before a gateway when SHOP_FRONT is `vite`, so that sources are
 * tried as they stand. Otherwise the gateway serves the shop it was built with, as in production.
 */
export async function startFront(gateway: string): Promise<Front> {
  if (process.env["SHOP_FRONT"] !== "vite") {
    return { address: gateway, stop: () => Promise.resolve() };
  }
  const port = await freePort();
  const vite = startVite(["--host=127.0.0.1", `--port=${port}`, "--strictPort"], {
    GATEWAY: gateway,
  });
  await vite.says(/ready in/);
  return {
    address: `http://127.0.0.1:${port}`,
    stop: () => {
      vite.signal("SIGTERM");
      return vite.ended;
    },
  };
}

/** Starts Vite in `storefront/`. */
export function startVite(args: string[], environment: Record<string, string> = {}): Child {
  const storefront = join(checkout, "storefront");
  const program = join(storefront, "node_modules/.bin/vite");
  return new Child(program, args, { NO_COLOR: "1", ...environment }, storefront);
}

/** A TCP port of 127.0.0.1 that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject).listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === "object") resolve(address.port);
        else reject(new Error("the system gave no port"));
      });
    });
  });
}
