import { useState } from "react";

import { announce } from "../../ui/announcer";
import type { Intent } from "./confirmation";
import { settleLetters } from "./letters";
import { resultOf } from "./sentences";

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
