/** Holds the place of something on its way; give it the size of what comes. */
export function Skeleton({ className }: { className: string }) {
  return <span aria-hidden="true" className={`block rounded-panel bg-sunken ${className}`} />;
}
