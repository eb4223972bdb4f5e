/** Buys of a second that got the same answer, or answers that read as one. */
export interface AnswerGroup {
  readonly name: string;
  readonly count: number;
  /** What the group is made of, largest first; empty where the name says it. */
  readonly parts: readonly { readonly kind: string; readonly count: number }[];
  /** Whether these answers say that something does not work, not that the sale is in demand. */
  readonly isTrouble: boolean;
}

/** Answers with a figure of their own. */
const NAMED: readonly (readonly [kind: string, name: string])[] = [
  ["queued", "Queued"],
  ["replayed", "Replayed"],
  ["sold-out", "Sold out"],
  ["quota-exceeded", "Rate limited"],
];

/** The system's trouble, not the shopper's. */
const TROUBLE = new Set(["unavailable", "internal-error", "lane-full", "not-replicated"]);

/** Buys of a second by answer, always the same groups in the same places. */
export function groupAnswers(buys: Readonly<Record<string, number>>): AnswerGroup[] {
  const counts = new Map(Object.entries(buys));
  const named = NAMED.map(([kind, name]) => {
    const count = counts.get(kind) ?? 0;
    counts.delete(kind);
    return { name, count, parts: [], isTrouble: false };
  });
  const parts = [...counts]
    .map(([kind, count]) => ({ kind, count }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count || a.kind.localeCompare(b.kind));
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const isTrouble = parts.some(({ kind }) => TROUBLE.has(kind));
  return [...named, { name: "Other refusals", count, parts, isTrouble }];
}
