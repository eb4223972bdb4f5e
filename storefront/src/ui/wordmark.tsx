/** The name of the shop, in one place. */
export const SHOP_NAME = "Flashsale";

/** The sign and name of the shop. */
export function Wordmark() {
  return (
    <span className="inline-flex items-center gap-2.5 font-display text-lg font-bold tracking-tight">
      <svg viewBox="0 0 32 32" width="32" height="32" aria-hidden="true">
        <rect width="32" height="32" rx="9" className="fill-act" />
        <path d="M18.5 4.5 8 18.2h6.6L13 27.5 24 13.4h-6.9z" className="fill-act-ink" />
      </svg>
      {SHOP_NAME}
    </span>
  );
}
