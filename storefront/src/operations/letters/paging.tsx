import { Button } from "../../ui/elements";
import { counted } from "../wording";
import type { Letters } from "./use-letters";

/** Where one is among the letters, and the ways on and back. */
export function Paging({ letters }: { letters: Letters }) {
  const { page, isLoading, filter, pageNumber, next, previous, refresh } = letters;
  const isFiltered = filter.product !== "" || filter.reason !== "";
  const shown = page?.deadLetters.length ?? 0;
  return (
    <div className="ml-auto flex flex-wrap items-center gap-3 tabular-nums">
      {page && (
        <span className="text-muted">
          {isFiltered && shown === 0 ? "No letter matches" : `Page ${pageNumber}, ${shown} shown`},{" "}
          {counted(page.total, "letter")} in all
        </span>
      )}
      {(previous ?? next) && (
        <>
          <Step onStep={previous}>Previous</Step>
          <Step onStep={next}>Next</Step>
        </>
      )}
      <Button size="small" onClick={refresh}>
        {isLoading ? "Looking…" : "Refresh"}
      </Button>
    </div>
  );
}

/** A step that stays where it is when there is none to take: the focus may be on it. */
function Step({ onStep, children }: { onStep: (() => void) | null; children: string }) {
  return (
    <Button
      size="small"
      aria-disabled={onStep === null}
      className="aria-disabled:border-line aria-disabled:text-muted"
      onClick={() => onStep?.()}
    >
      {children}
    </Button>
  );
}
