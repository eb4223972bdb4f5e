import { AxeBuilder } from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

const widths = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

/** What depends on the colours; all else is the same in the dark. */
const colourRules = ["color-contrast", "link-in-text-block"];

/** Checks what a page shows now, light and dark, as wide as a phone and as a desktop. */
export async function looksRight(page: Page, state: string): Promise<void> {
  for (const [name, size] of Object.entries(widths)) {
    await page.setViewportSize(size);
    for (const colorScheme of ["light", "dark"] as const) {
      // Without motion: colours in the middle of a transition have a contrast of their own.
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const axe = new AxeBuilder({ page });
      if (colorScheme === "dark") axe.withRules(colourRules);
      else axe.options({ rules: { "target-size": { enabled: true } } });
      const { violations } = await axe.analyze();
      const found = violations.map(
        ({ id, help, nodes }) =>
          `${id}: ${help}: ${nodes.map((node) => `${node.html} ${node.failureSummary ?? ""}`).join("; ")}`,
      );
      expect.soft(found, `${state}, ${name}, ${colorScheme}`).toEqual([]);
    }
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect.soft(overflow, `${state}, ${name}: nothing reaches out of the page`).toBe(0);
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(widths.desktop);
}
