/** The look of what one types or chooses in. */
export const fieldClass =
  "w-full min-h-9 rounded-lg border border-edge bg-surface px-3 text-ink hover:border-ink";
