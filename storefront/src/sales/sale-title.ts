/** A sale's name as a title: `winter-market` is "Winter market". */
export function saleTitle(name: string): string {
  const words = name.replaceAll(/[-_.]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The address of a sale's page. */
export function salePath(name: string): string {
  return `/shop/${encodeURIComponent(name)}`;
}
