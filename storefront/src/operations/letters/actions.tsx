import { Button } from "../../ui/elements";
import { formatCount } from "../../ui/format";
import type { Intent } from "./confirmation";

interface ActionsProps {
  /** The letters that are ticked. */
  ids: readonly string[];
  isBusy: boolean;
  onIntent: (intent: Intent) => void;
}

/** What can be done with the letters that are ticked. */
export function Actions({ ids, isBusy, onIntent }: ActionsProps) {
  const isIdle = ids.length === 0 || isBusy;
  // Not `disabled`: the dialog gives the focus back to a button that must be there to take it.
  const act = (verb: Intent["verb"]) => ({
    size: "small" as const,
    "aria-disabled": isIdle,
    className: "aria-disabled:border-line aria-disabled:bg-sunken aria-disabled:text-muted",
    onClick: () => {
      if (!isIdle) onIntent({ verb, ids });
    },
  });
  return (
    <>
      <Button {...act("replay")}>Replay selected</Button>
      <Button {...act("discard")} kind="danger">
        Discard selected
      </Button>
      <span className="text-muted tabular-nums">
        {isBusy ? "Working…" : `${formatCount(ids.length)} selected`}
      </span>
    </>
  );
}
