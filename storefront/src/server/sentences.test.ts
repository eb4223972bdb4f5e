import { expect, test } from "vitest";

import { sentence } from "./sentences";

/** Sources of the shop know no Node; this test reads a page of the repository. */
interface Files {
  readonly readFileSync: (path: string, encoding: "utf8") => string;
}
const files = "node:fs";
const { readFileSync } = (await import(files)) as Files;
const page = readFileSync("../docs/api.md", "utf8");

const kinds = [...page.matchAll(/^\| `([a-z-]+)` \| \d{3} \|/gm)].map(([, kind]) => kind ?? "");

test("every kind of problem in docs/api.md has a sentence", () => {
  const fallback = sentence("something-new");
  expect(kinds.length).toBeGreaterThan(20);
  for (const kind of [...kinds, "network"]) expect(sentence(kind), kind).not.toBe(fallback);
});

test("sentences end as sentences do", () => {
  for (const kind of [...kinds, "network", "x"]) expect(sentence(kind)).toMatch(/^[A-Z].*\.$/);
});

test("a kind spelled like a part of every object is not one", () => {
  expect(sentence("constructor")).toBe(sentence("something-new"));
});
