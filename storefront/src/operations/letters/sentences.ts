import { counted, formatCount } from "../wording";
import type { LettersDone, Verb } from "./letters";

/** What the dialog asks and says before `count` letters are replayed or discarded. */
export function questionOf(verb: Verb, count: number): { title: string; text: string } {
  const [they, jobs] = count === 1 ? ["It", "The job"] : ["They", "The jobs"];
  return verb === "replay"
    ? {
        title: `Replay ${counted(count, "dead letter")}?`,
        text:
          `${jobs} will go back to the end of the lane and be settled again. What cannot be ` +
          "settled this time either comes back here.",
      }
    : {
        title: `Discard ${counted(count, "dead letter")}?`,
        text:
          `${they} will be deleted for good and cannot be replayed any more. The buys have ended ` +
          "as failed and stay so.",
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

/** A job as people read it: indented where it is JSON, as it is where it is not. */
export function prettyJob(job: string): string {
  try {
    return JSON.stringify(JSON.parse(job), null, 2);
  } catch {
    return job === "" ? "(empty)" : job;
  }
}
