import { defineConfig, devices } from "@playwright/test";

export default defineConfig({
  testDir: "browser",
  outputDir: "test-results",
  // A failure that a repeat hides is still a failure.
  retries: 0,
  workers: 2,
  fullyParallel: true,
  // Only what fails takes this long: a busy machine can be ten times slower than an idle one.
  timeout: 180_000,
  expect: { timeout: 30_000 },
  reporter: [["list"]],
  projects: [
    { name: "shop", testMatch: "*.spec.ts" },
    // What is measured needs the machine for itself, as far as it goes.
    { name: "measures", testMatch: "*.measure.ts", dependencies: ["shop"], workers: 1 },
  ],
  use: {
    ...devices["Desktop Chrome"],
    viewport: { width: 1280, height: 800 },
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    },
  },
});
