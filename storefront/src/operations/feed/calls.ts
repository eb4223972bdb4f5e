import { problemOf } from "../../server/problem";
import type { ProblemKind } from "../../server/problem";
import type { Figures, HistoryAnswer } from "./figures";

/** A call of the operations interface that got no good answer. */
export class Refusal extends Error {
  /** The kind of the problem; `network` when nobody answered. */
  readonly kind: ProblemKind;

  /** `detail` is a sentence for the page. */
  constructor(kind: ProblemKind, detail: string) {
    super(detail);
    this.kind = kind;
  }
}

/** A call that takes longer than this will not be waited for. */
const PATIENCE_MS = 5_000;

/** What the system does now. */
export function fetchFigures(token: string): Promise<Figures> {
  return call<Figures>(token, "/operations/figures");
}

/** What it did in the last two minutes. */
export function fetchHistory(token: string): Promise<HistoryAnswer> {
  return call<HistoryAnswer>(token, "/operations/history");
}

/** Calls an address of the operations interface; rejects with a `Refusal`. */
export async function call<T>(
  token: string,
  path: string,
  body?: unknown,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const response = await goodAnswerOf(token, path, body, patienceMs);
  return (await response.json().catch(() => {
    throw new Refusal("network", "The answer of the gateway is not readable.");
  })) as T;
}

/** The same for an answer that is text. */
export async function callText(token: string, path: string, patienceMs: number): Promise<string> {
  const response = await goodAnswerOf(token, path, undefined, patienceMs);
  return response.text().catch(() => {
    throw new Refusal("network", "The answer of the gateway is not readable.");
  });
}

async function goodAnswerOf(
  token: string,
  path: string,
  body: unknown,
  patienceMs: number,
): Promise<Response> {
  if (!/^[\x21-\x7e]+$/.test(token)) {
    // No header can hold it, so no gateway can have it.
    throw new Refusal("unauthorized", "This is no operations token.");
  }
  const response = await answerOf(token, path, body, patienceMs);
  if (response.ok) {
    return response;
  }
  throw await refusalOf(response);
}

async function answerOf(
  token: string,
  path: string,
  body: unknown,
  patienceMs: number,
): Promise<Response> {
  const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
  const init: RequestInit = {
    headers,
    cache: "no-store",
    signal: AbortSignal.timeout(patienceMs),
  };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.method = "POST";
    init.body = JSON.stringify(body);
  }
  try {
    return await fetch(path, init);
  } catch {
    throw new Refusal("network", "The gateway does not answer.");
  }
}

async function refusalOf(response: Response): Promise<Refusal> {
  const copy = response.clone();
  const { kind } = await problemOf(response);
  const problem: unknown = await copy.json().catch(() => null);
  const { detail } = Object(problem) as { detail?: unknown };
  const said = typeof detail === "string" ? detail : `The gateway answered ${response.status}.`;
  return new Refusal(kind, said);
}
