import { depthOf, isUndriven, type Figures } from "./feed/figures";
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
