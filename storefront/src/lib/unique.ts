/**
 * A text that nobody else makes: a UUID, or 32 random hex digits where `crypto.randomUUID` is
 * missing, which is on plain http, except localhost.
 */
export function unique(): string {
  if ("randomUUID" in crypto) return crypto.randomUUID();
  const bytes = (crypto as Crypto).getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
