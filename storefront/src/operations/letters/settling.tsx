import { useState } from "react";

import { announce } from "../../ui/announcer";
import { Button } from "../../ui/elements";
import { formatCount } from "../../ui/format";
import { Dialog } from "../controls";
import { counted } from "../wording";
import { settleLetters, type LettersDone, type Verb } from "./letters";

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

/** What somebody is about to do. */
export interface Intent {
  readonly verb: Verb;
  readonly ids: readonly string[];
}

interface ConfirmationProps {
  /** Null when nothing is asked. */
  intent: Intent | null;
  onConfirm: (intent: Intent) => void;
  onCancel: () => void;
}

/** Says what will happen to how many letters, and waits for a yes. */
export function Confirmation({ intent, onConfirm, onCancel }: ConfirmationProps) {
  const { title, text } = questionOf(intent?.verb ?? "replay", intent?.ids.length ?? 0);
  return (
    <Dialog
      isOpen={intent !== null}
      onClose={onCancel}
      title={title}
      actions={
        <>
          <Button onClick={onCancel}>Cancel</Button>
          <Button
            kind={intent?.verb === "discard" ? "danger" : "act"}
            onClick={() => {
              if (intent) onConfirm(intent);
            }}
          >
            {intent?.verb === "discard" ? "Discard" : "Replay"}
          </Button>
        </>
      }
    >
      <p>{text}</p>
    </Dialog>
  );
}

/** How the last replay or discard ended. */
export interface Result {
  readonly isGood: boolean;
  readonly text: string;
}

/** Replays and discards letters of a sale, and tells how that ended. */
export interface Settling {
  readonly isBusy: boolean;
  readonly result: Result | null;
  readonly settle: (intent: Intent) => Promise<void>;
}

/** `onEnd` is called after each try, with whether it was done. */
export function useSettling(
  token: string,
  sale: string,
  onEnd: (isDone: boolean) => void,
): Settling {
  const [isBusy, setBusy] = useState(false);
  const [result, setResult] = useState<Result | null>(null);

  const settle = async ({ verb, ids }: Intent) => {
    setBusy(true);
    let ended: Result;
    try {
      ended = { isGood: true, text: resultOf(verb, await settleLetters(token, sale, verb, ids)) };
    } catch (error) {
      const because = error instanceof Error ? error.message : String(error);
      ended = { isGood: false, text: `The ${verb} did not end well: ${because}` };
    }
    setBusy(false);
    setResult(ended);
    announce(ended.text, ended.isGood ? "polite" : "assertive");
    onEnd(ended.isGood);
  };

  return { isBusy, result, settle };
}

/** What the dialog asks and says before `count` letters are replayed or discarded. */
export function questionOf(verb: Verb, count: number): { title: string; text: string } {
  const isOne = count === 1;
  return verb === "replay"
    ? {
        title: `Replay ${counted(count, "dead letter")}?`,
        text:
          `${isOne ? "The job goes" : "The jobs go"} back to the end of the lane to be settled ` +
          "again. What cannot be settled this time either comes back here.",
      }
    : {
        title: `Discard ${counted(count, "dead letter")}?`,
        text:
          `${isOne ? "It is" : "They are"} deleted for good and cannot be replayed any more. ` +
          `${isOne ? "The buy has ended as failed and stays" : "The buys have ended as failed and stay"} so.`,
      };
}

/** What became of them: "12 replayed, 1 was gone already." */
export function resultOf(verb: Verb, { done, gone }: LettersDone): string {
  const did = `${formatCount(done)} ${verb === "replay" ? "replayed" : "discarded"}`;
  if (gone === 0) {
    return `${did}.`;
  }
  return `${did}, ${formatCount(gone)} ${gone === 1 ? "was" : "were"} gone already.`;
}
