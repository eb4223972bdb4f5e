import { useEffect, useRef } from "react";

import { announce } from "../../ui/announcer";
import { nextToTell, NO_ALARMS, type Alarm } from "../alarms";
import type { FeedState } from "../feed/state";
import { counted } from "../wording";

/** More than these are counted, not read out. */
const READ_OUT = 3;

/** Tells alarms to screen readers, politely and each once. The figures are never read out. */
export function useAlarmVoice(state: FeedState, alarms: readonly Alarm[]): void {
  const log = useRef(NO_ALARMS);
  const current = useRef(alarms);

  useEffect(() => {
    current.current = alarms;
  });

  useEffect(() => {
    // By `state`, which changes once a sample: a page may be drawn more often than that.
    const next = nextToTell(log.current, current.current);
    log.current = next.log;
    const sentences = next.tell.map(({ sale, text }) =>
      sale === null ? text : `${sale}: ${text}`,
    );
    if (sentences.length > READ_OUT) {
      announce(`${counted(sentences.length, "new alarm")}. ${sentences[0] ?? ""}`);
    } else if (sentences.length > 0) {
      announce(sentences.join(" "));
    }
  }, [state]);
}
