import type { components } from "../../server/schema";
import { call } from "../feed/calls";

type Schemas = components["schemas"];

/** A dead letter: an entry of a lane that no attempt could settle. */
export type DeadLetter = Schemas["DeadLetter"];

/** Some dead letters, oldest first. */
export type LetterPage = Schemas["DeadLetters"];

/** What became of letters that were named: `gone` were not there any more. */
export type LettersDone = Schemas["LettersDone"];

/** What can be done with dead letters. */
export type Verb = "replay" | "discard";

/** Which letters are looked for; empty texts look for all. */
export interface LetterFilter {
  readonly product: string;
  /** Part of the reason. */
  readonly reason: string;
}

/** Letters a page; at most as many as one call may name. */
const PAGE = 50;

/** The gateway looks through a bounded number of letters a call; so often it is asked to go on. */
const LOOKS = 40;

/** The first letters after the letter `after` that `filter` lets through. */
export async function fetchLetters(
  token: string,
  sale: string,
  filter: LetterFilter,
  after: string | null,
): Promise<LetterPage> {
  let page = await look(token, sale, filter, after);
  for (let looks = 1; page.deadLetters.length === 0 && page.next && looks < LOOKS; looks += 1) {
    page = await look(token, sale, filter, page.next);
  }
  return page;
}

function look(
  token: string,
  sale: string,
  { product, reason }: LetterFilter,
  after: string | null,
): Promise<LetterPage> {
  const wanted = Object.entries({ product, reason, after: after ?? "", limit: String(PAGE) });
  const query = new URLSearchParams(wanted.filter(([, value]) => value !== ""));
  return call<LetterPage>(token, `${addressOf(sale)}?${query.toString()}`);
}

/** Replays or discards the letters named. */
export function settleLetters(
  token: string,
  sale: string,
  verb: Verb,
  ids: readonly string[],
): Promise<LettersDone> {
  return call<LettersDone>(token, `${addressOf(sale)}/${verb}`, { ids });
}

function addressOf(sale: string): string {
  return `/operations/sales/${encodeURIComponent(sale)}/dead-letters`;
}
