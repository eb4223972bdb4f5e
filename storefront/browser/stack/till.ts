import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { binary } from "./binaries";
import { Child } from "./child";
import { freePort } from "./front";

const secret = "whsec_of_the_browser_tests";

/** A stand-in for a payment provider, and a gateway's configuration for it. */
export class Till {
  /** Where the gateway has to listen: the provider tells it of payments, and sends shoppers back. */
  readonly listen: string;
  readonly environment: Record<string, string>;
  private readonly directory: string;
  private readonly standIn: Child;

  private constructor(listen: string, directory: string, standIn: Child, file: string) {
    this.listen = listen;
    this.directory = directory;
    this.standIn = standIn;
    this.environment = { FLASHSALE_PAYMENT_PROVIDERS: file };
  }

  static async open(): Promise<Till> {
    const listen = `127.0.0.1:${await freePort()}`;
    const standIn = new Child(binary("stripe-stand-in"), [listen, "/payments/pay/events", secret]);
    const [, url = ""] = await standIn.says(/^stand-in (\S+)$/m);
    const directory = await mkdtemp(join(tmpdir(), "till-"));
    const file = join(directory, "providers.yaml");
    const pay = {
      kind: "stripe",
      secretKey: "sk_test_stand_in",
      webhookSecrets: [secret],
      apiUrl: url,
      returnUrl: `http://${listen}/shop/{sale}`,
    };
    await writeFile(file, JSON.stringify({ pay }));
    return new Till(listen, directory, standIn, file);
  }

  async close(): Promise<void> {
    this.standIn.signal("SIGKILL");
    await this.standIn.ended;
    await rm(this.directory, { recursive: true });
  }
}
