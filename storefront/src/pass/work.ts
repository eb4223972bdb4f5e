import { sha256 } from "@noble/hashes/sha2.js";

/** How long the page may stand still for the work, in milliseconds. */
const SLICE = 12;

/**
 * Finds the number of which the SHA-256 digest, in decimal behind `challenge` and a dot, begins
 * with `difficulty` zero bits. Lets the page do other things in between.
 */
export async function work(challenge: string, difficulty: number): Promise<string> {
  const encoder = new TextEncoder();
  const begun = sha256.create().update(encoder.encode(`${challenge}.`));
  for (let number = 0; ;) {
    const until = performance.now() + SLICE;
    do {
      const proof = String(number);
      if (zeroBits(begun.clone().update(encoder.encode(proof)).digest()) >= difficulty) {
        return proof;
      }
      number += 1;
    } while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** With how many zero bits a digest begins. */
export function zeroBits(digest: Uint8Array): number {
  const at = digest.findIndex((byte) => byte !== 0);
  if (at < 0) return 8 * digest.length;
  return 8 * at + Math.clz32(digest[at] ?? 0) - 24;
}
