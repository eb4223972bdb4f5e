/** Ids of the letters that are ticked. */
export type Selection = ReadonlySet<string>;

/** With one more or one fewer. */
export function toggled(selection: Selection, id: string): Selection {
  const next = new Set(selection);
  if (!next.delete(id)) {
    next.add(id);
  }
  return next;
}

/** All of those shown, or none when all were ticked already. */
export function allToggled(selection: Selection, shown: readonly string[]): Selection {
  return shown.every((id) => selection.has(id)) ? new Set() : new Set(shown);
}

/** What is ticked of what is shown: nobody acts on a letter that cannot be seen. */
export function tickedOf(selection: Selection, shown: readonly string[]): string[] {
  return shown.filter((id) => selection.has(id));
}
