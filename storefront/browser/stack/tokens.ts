import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { binary } from "./binaries";
import { Child } from "./child";
import { freePort } from "./front";
import type { Stores } from "./stores";

const issuer = "https://id.example.com/";
const audience = "shop";

/** A gateway that wants shoppers to sign in, and the identity provider it trusts. */
export interface GuardedGateway {
  address: string;
  /** A good token of this shopper. */
  token: (user: string) => string;
  stop: () => Promise<void>;
}

/** Starts a gateway with `--auth-mode jwt` beside the others of the stores. */
export async function startGuardedGateway(
  stores: Stores,
  signInUrl: string,
): Promise<GuardedGateway> {
  const directory = await mkdtemp(join(tmpdir(), "tokens-"));
  const keys = generateKeyPairSync("ed25519");
  const kid = randomUUID();
  const jwk = { ...keys.publicKey.export({ format: "jwk" }), kid, alg: "EdDSA", use: "sig" };
  const jwks = join(directory, "jwks.json");
  await writeFile(jwks, JSON.stringify({ keys: [jwk] }));
  const listen = `127.0.0.1:${await freePort()}`;
  const probes = `127.0.0.1:${await freePort()}`;
  const gateway = new Child(
    binary("flashsale-gateway"),
    [
      ...["--auth-mode", "jwt", "--jwks", jwks, "--jwt-issuer", issuer],
      ...["--jwt-audience", audience, "--listen", listen, "--probes-listen", probes],
      ...["--sign-in-url", signInUrl],
    ],
    stores.environment,
  );
  await answers(`http://${probes}/readyz`, gateway);
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
  return {
    address: `http://${listen}`,
    token: (user) => {
      const now = Math.floor(Date.now() / 1000);
      const claims = { sub: user, iss: issuer, aud: audience, iat: now, exp: now + 600 };
      const signed = `${encode({ alg: "EdDSA", typ: "JWT", kid })}.${encode(claims)}`;
      return `${signed}.${sign(null, Buffer.from(signed), keys.privateKey).toString("base64url")}`;
    },
    stop: async () => {
      gateway.signal("SIGTERM");
      await gateway.ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Asks until the answer is good; fails when the gateway has ended. */
async function answers(address: string, gateway: Child): Promise<void> {
  while (gateway.isRunning) {
    const answer = await fetch(address).catch(() => null);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the gateway did not start:\n${gateway.output}`);
}
