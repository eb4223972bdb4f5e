import { useConnection } from "../shop/hooks";
import { MEASURE } from "./measure";

/** Says when the page hears nothing any more; the place it takes is always there to be read. */
export function ConnectionBanner() {
  const isOffline = useConnection() === "offline";
  return (
    <div role="status" className="sticky top-0 z-10">
      {isOffline && (
        <p className="absolute inset-x-0 top-0 animate-appear bg-wait-wash text-sm font-semibold text-wait">
          <span className={`${MEASURE} flex min-h-8 items-center gap-3`}>
            <span className="size-2 animate-breathe rounded-full bg-wait" />
            Connection lost. Trying again…
          </span>
        </p>
      )}
    </div>
  );
}
