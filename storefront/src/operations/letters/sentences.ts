import { formatCount } from "../../ui/format";
import { counted } from "../wording";
import type { LettersDone, Verb } from "./letters";

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

/** A job as people read it: indented where it is JSON, as it is where it is not. */
export function prettyJob(job: string): string {
  try {
    return JSON.stringify(JSON.parse(job), null, 2);
  } catch {
    return job === "" ? "(empty)" : job;
  }
}
