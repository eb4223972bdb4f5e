import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig, type Config } from "lighthouse";

import { expect, test } from "./test";

const categories = ["performance", "accessibility", "best-practices"] as const;
type Scores = Record<(typeof categories)[number], number>;

/**
 * What else a machine is busy with takes from a score and never adds to it, so a good score that
 * was reached twice is the page's own. This many runs may be needed for that; on a machine that is
 * at rest the first two do.
 */
const runs = 8;

const settings: [name: string, config: Config | undefined][] = [
  ["desktop", desktopConfig],
  ["mobile", undefined],
];

for (const [name, config] of settings) {
  test(`Lighthouse gives the sale page 95 or more, ${name}`, async ({ openShop }, testInfo) => {
    test.setTimeout(600_000);
    const shop = await openShop({
      products: [
        { name: "Brass lantern", stock: 200, description: "Hand-made, numbered." },
        { name: "Copper kettle", stock: 30 },
        { name: "Wool blanket", stock: 0 },
      ],
    });
    const all: Scores[] = [];
    for (let run = 0; run < runs; run += 1) {
      const audited = await audit(`${shop.front}/shop/${shop.sale}`, config);
      await testInfo.attach(`run-${run + 1}.json`, { body: JSON.stringify(audited, null, 2) });
      if (typeof audited === "string") continue;
      all.push(audited.scores);
      if (all.filter(isGood).length === 2) break;
    }
    console.log(`Lighthouse, ${name}: ${all.map((scores) => JSON.stringify(scores)).join(", ")}`);
    expect(all.filter(isGood), JSON.stringify(all)).toHaveLength(2);
  });
}

function isGood(scores: Scores): boolean {
  return categories.every((category) => scores[category] >= 95);
}

/** What Lighthouse finds, or why it could not look: its recording of a page can fail. */
async function audit(
  url: string,
  config: Config | undefined,
): Promise<{ scores: Scores; shortcomings: string[] } | string> {
  const chrome = await launch({
    chromePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    chromeFlags: [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
    ],
  });
  try {
    const flags = {
      port: chrome.port,
      onlyCategories: [...categories],
      logLevel: "error" as const,
    };
    const result = await lighthouse(url, flags, config);
    if (!result) throw new Error("Lighthouse came to no result");
    const { lhr } = result;
    if (lhr.runtimeError) return lhr.runtimeError.message;
    const scores = Object.fromEntries(
      categories.map((name) => [name, Math.round((lhr.categories[name]?.score ?? 0) * 100)]),
    ) as Scores;
    const shortcomings = Object.values(lhr.audits)
      .filter(({ score }) => score !== null && score < 0.9)
      .map(({ id, displayValue }) => `${id} ${displayValue ?? ""}`);
    return { scores, shortcomings };
  } finally {
    chrome.kill();
  }
}
