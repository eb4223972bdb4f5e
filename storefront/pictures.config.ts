import type { PlaywrightTestConfig } from "@playwright/test";

import tests from "./playwright.config";

/** `npm run pictures`: writes the pictures of the README anew, from the real stack. */
const pictures: PlaywrightTestConfig = {
  ...tests,
  timeout: 120_000,
  workers: 1,
  projects: [{ name: "pictures", testMatch: "*.pictures.ts" }],
  use: {
    ...tests.use,
    trace: "off",
    viewport: { width: 1280, height: 800 },
    deviceScaleFactor: 1.25,
  },
};

export default pictures;
