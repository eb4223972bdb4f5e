import { formatCount } from "../ui/format";

/** Taken, and in line: the place is what the shopper looks at, so it is what is large. */
export function LinePanel({ position }: { position: number | null }) {
  return (
    <div className="grid animate-appear grid-cols-[auto_1fr] content-center items-center gap-x-4 gap-y-1.5 rounded-panel bg-night px-5 py-3 text-night-ink">
      {/* One sentence to a reader; its last word is set large in the row below. */}
      <p className="contents">
        <span className="col-span-2 flex items-center gap-3 text-lg leading-7 font-bold">
          <span className="size-2.5 animate-breathe rounded-full bg-act" />
          {position === null ? "You are in line" : "You are in line, position "}
        </span>
        {position !== null && (
          <span className="font-display text-5xl leading-none font-bold tracking-tight text-act tabular-nums">
            {formatCount(position)}
          </span>
        )}
      </p>
      <p className="text-sm leading-5 text-pretty text-night-muted">
        Your place is kept, even if you leave this page.
      </p>
    </div>
  );
}
