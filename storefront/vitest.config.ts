import { defineConfig, mergeConfig } from "vitest/config";

import shop from "./vite.config.ts";

// Apart from the configuration of the shop, which is built without the packages that only tests need.
export default mergeConfig(
  shop,
  defineConfig({
    test: {
      environment: "happy-dom",
      include: ["src/**/*.test.{ts,tsx}"],
    },
  }),
);
