import { useEffect, useId, useRef } from "react";

import { announce } from "../ui/announcer";
import { depthOf, isUndriven, type Figures } from "./feed/figures";
import type { FeedState } from "./feed/state";
import { counted } from "./wording";

/** Something that somebody should look at now. */
export interface Alarm {
  /** Names the trouble, not its figures: the same trouble a second later has the same key. */
  readonly key: string;
  /** The sale to look at, where it is of one. */
  readonly sale: string | null;
  readonly text: string;
}

/** What is wrong in these figures. */
export function alarmsOf(figures: Figures): Alarm[] {
  const alarms: Alarm[] = [];
  if (figures.gateways.length === 0) {
    alarms.push({ key: "gateways", sale: null, text: "No gateway has been heard from." });
  }
  const waiting = figures.sales.reduce((sum, sale) => sum + depthOf(sale), 0);
  if (figures.workers.length === 0 && waiting > 0) {
    const text = `No worker has been heard from, ${counted(waiting, "job")} waiting.`;
    alarms.push({ key: "workers", sale: null, text });
  }
  for (const { sale, lanes, outcomes } of figures.sales) {
    for (const lane of lanes.filter(isUndriven)) {
      const text = `Nobody drives the lane of ${lane.productId}, ${counted(lane.depth, "job")} waiting.`;
      alarms.push({ key: `driver ${sale} ${lane.productId}`, sale, text });
    }
    if (outcomes.failed > 0) {
      alarms.push({ key: `failed ${sale}`, sale, text: "Jobs fail and become dead letters." });
    }
  }
  return alarms;
}

/** Which alarms were told, and which were there a second ago. */
export interface AlarmLog {
  readonly told: ReadonlySet<string>;
  readonly before: ReadonlySet<string>;
}

/** The log of a page that has just been opened. */
export const NO_ALARMS: AlarmLog = { told: new Set(), before: new Set() };

/**
 * What to tell a screen reader of the alarms there are now: each once, when it has lasted over two
 * samples (a lane changes hands within one), and again when it comes back.
 */
export function nextToTell(
  log: AlarmLog,
  alarms: readonly Alarm[],
): { readonly log: AlarmLog; readonly tell: readonly Alarm[] } {
  const now = new Set(alarms.map(({ key }) => key));
  const tell = alarms.filter(({ key }) => log.before.has(key) && !log.told.has(key));
  const told = new Set([...log.told, ...tell.map(({ key }) => key)].filter((key) => now.has(key)));
  return { log: { told, before: now }, tell };
}

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

/** More would push the sales off the screen. */
const SHOWN = 5;

/** What somebody should look at now. */
export function Alarms({ alarms }: { alarms: readonly Alarm[] }) {
  const heading = useId();
  if (alarms.length === 0) {
    return null;
  }
  return (
    <section
      aria-labelledby={heading}
      className="rounded-panel border border-bad bg-bad-wash px-4 py-3 text-bad"
    >
      <h2 id={heading} className="font-semibold">
        Needs attention
      </h2>
      <ul className="mt-1 grid gap-0.5 tabular-nums">
        {alarms.slice(0, SHOWN).map(({ key, sale, text }) => (
          <li key={key}>
            {sale !== null && <strong>{sale}: </strong>}
            {text}
          </li>
        ))}
        {alarms.length > SHOWN && <li>and {counted(alarms.length - SHOWN, "more alarm")}</li>}
      </ul>
    </section>
  );
}
