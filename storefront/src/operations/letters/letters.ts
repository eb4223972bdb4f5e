import { useCallback, useEffect, useState } from "react";

import type { components } from "../../server/schema";
import { call } from "../feed/calls";

type Schemas = components["schemas"];

/** A dead letter: an entry of a lane that no attempt could settle. */
export type DeadLetter = Schemas["DeadLetter"];

/** Some dead letters, oldest first. */
type LetterPage = Schemas["DeadLetters"];

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
async function fetchLetters(
  token: string,
  sale: string,
  filter: LetterFilter,
  after: string | null,
): Promise<LetterPage> {
  let page = await fetchPage(token, sale, filter, after);
  for (let looks = 1; page.deadLetters.length === 0 && page.next && looks < LOOKS; looks += 1) {
    page = await fetchPage(token, sale, filter, page.next);
  }
  return page;
}

function fetchPage(
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

/** What is looked for, and the way here: the letters that the pages before this one ended with. */
interface Place {
  readonly filter: LetterFilter;
  readonly trail: readonly string[];
}

/** A page of dead letters, and the ways from it. */
export interface Letters {
  /** The newest page that came; null before the first. */
  readonly page: LetterPage | null;
  /** Why the last look failed; the page before it stays. */
  readonly error: string | null;
  readonly isLoading: boolean;
  readonly filter: LetterFilter;
  /** Counted from 1. */
  readonly pageNumber: number;
  readonly look: (filter: LetterFilter) => void;
  /** Null at the end. */
  readonly next: (() => void) | null;
  /** Null on the first page. */
  readonly previous: (() => void) | null;
  readonly refresh: () => void;
}

const EVERYTHING: Place = { filter: { product: "", reason: "" }, trail: [] };

/** The dead letters of a sale, looked up anew whenever their number, `count`, changes. */
export function useLetters(token: string, sale: string, count: number): Letters {
  const [place, setPlace] = useState(EVERYTHING);
  const [round, setRound] = useState(0);
  const [answer, setAnswer] = useState<{ page: LetterPage | null; error: string | null }>({
    page: null,
    error: null,
  });
  const request = JSON.stringify([place, round, count]);
  const [answered, setAnswered] = useState("");

  useEffect(() => {
    let isWanted = true;
    const { filter, trail } = place;
    fetchLetters(token, sale, filter, trail.at(-1) ?? null)
      .then((page) => {
        if (!isWanted) return;
        setAnswer({ page, error: null });
        // Everything here was replayed or discarded: what is left stands before it.
        if (page.deadLetters.length === 0 && trail.length > 0) setPlace({ filter, trail: [] });
      })
      .catch((error: unknown) => {
        if (!isWanted) return;
        const message = error instanceof Error ? error.message : String(error);
        setAnswer(({ page }) => ({ page, error: message }));
      })
      .finally(() => {
        if (isWanted) setAnswered(request);
      });
    return () => {
      isWanted = false;
    };
  }, [token, sale, place, request]);

  // The same function each time: the pause of somebody who types counts from the last key.
  const look = useCallback((filter: LetterFilter) => {
    setPlace({ filter, trail: [] });
  }, []);

  const { filter, trail } = place;
  const next = answer.page?.next ?? null;
  return {
    ...answer,
    isLoading: answered !== request,
    filter,
    pageNumber: trail.length + 1,
    look,
    next:
      next === null
        ? null
        : () => {
            setPlace({ filter, trail: [...trail, next] });
          },
    previous:
      trail.length === 0
        ? null
        : () => {
            setPlace({ filter, trail: trail.slice(0, -1) });
          },
    refresh: () => {
      setRound((now) => now + 1);
    },
  };
}
