import { randomBytes } from "node:crypto";

/** What a test sets of a product; ids must be unique over all sales, so they are made up. */
export interface ProductSpec {
  name: string;
  stock: number;
  description?: string;
  /** In minor units of the currency. */
  price?: number;
  maxPerUser?: number;
  image?: string;
}

/** What a test sets of a sale; all else as the system has it by default. */
export interface SaleSpec {
  products?: ProductSpec[];
  /** Left out: open at once. */
  opensInSeconds?: number;
  /** Left out: open-ended. */
  closesInSeconds?: number;
  suspend?: boolean;
  /** An ISO 4217 code; left out: dollars. */
  currency?: string;
  turnstile?: {
    rateLimit?: { requests: number; windowSeconds: number; burst?: number };
    maxQueueDepth?: number;
    pass?: "None" | "Required";
  };
  payment?: { windowSeconds: number; graceSeconds?: number; provider?: string };
  worker?: { batchSize?: number };
  attempts?: number;
}

/** A product as it stands in a manifest. */
export interface Product extends ProductSpec {
  id: string;
  price: number;
}

/** A sale as a file for `flashsale up`. */
export interface Manifest {
  sale: string;
  products: Product[];
  /** In milliseconds since the Unix epoch; null when the sale is open at once. */
  opensAt: number | null;
  /** JSON, which is YAML. */
  text: string;
}

const lamp: ProductSpec = { name: "Brass lantern", stock: 20 };

/** Writes a sale down under a name that nobody else has. */
export function manifest(spec: SaleSpec): Manifest {
  const { products: specs = [lamp], opensInSeconds, closesInSeconds, worker, ...rest } = spec;
  const mark = randomBytes(4).toString("hex");
  const products = specs.map((product, index) => ({
    price: 4900,
    ...product,
    id: `${product.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}-${mark}-${index}`,
  }));
  const sale = `sale-${mark}`;
  const opensAt = opensInSeconds === undefined ? null : Date.now() + opensInSeconds * 1000;
  const resource = {
    apiVersion: "flashsale.dev/v1alpha1",
    kind: "FlashSale",
    metadata: { name: sale },
    spec: {
      ...rest,
      ...(opensAt === null ? {} : { opensAt: new Date(opensAt).toISOString() }),
      ...(closesInSeconds === undefined ? {} : { closesAt: inSeconds(closesInSeconds) }),
      products,
      // One worker, so that holding it holds the lanes; it is there from the beginning.
      worker: { minReplicas: 1, maxReplicas: 1, prewarmSeconds: 3600, ...worker },
    },
  };
  return { sale, products, opensAt, text: JSON.stringify(resource) };
}

function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toISOString();
}
