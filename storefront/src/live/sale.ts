import type { components } from "../server/schema";

/** The words for where a sale stands. */
export type SaleStatus = components["schemas"]["SaleView"]["status"];

/** A sale as pages show it. Never changed in place: a changed sale is another object. */
export interface Sale {
  readonly sale: string;
  readonly status: SaleStatus;
  /** First instant, in milliseconds since the Unix epoch; null when it is open since ever. */
  readonly opensAt: number | null;
  /** First instant after it, likewise; null when it has no end. */
  readonly closesAt: number | null;
  /** Whether a buy needs a pass. */
  readonly passRequired: boolean;
  /** Whether its orders are paid at a provider that the gateway knows. */
  readonly hasProvider: boolean;
  readonly products: readonly Product[];
}

/** One product of a sale. */
export interface Product {
  readonly productId: string;
  readonly name: string;
  readonly description: string | null;
  /** Of one unit, in minor units of the currency. */
  readonly price: number;
  /** The currency of the sale, an ISO 4217 code; gateways of the release before name none. */
  readonly currency: string | undefined;
  /** Units left; null as long as nobody has told. */
  readonly stock: number | null;
  /** Units that the sale offers in all. */
  readonly offered: number;
  /** Most units one shopper can have; null for no limit. */
  readonly maxPerUser: number | null;
  /** Address of a picture. */
  readonly image: string | null;
}

/** A sale of `GET /sales` as pages show it. */
export function saleOf(view: components["schemas"]["SaleView"]): Sale {
  return {
    sale: view.sale,
    status: view.status,
    opensAt: instant(view.opensAt),
    closesAt: instant(view.closesAt),
    passRequired: view.passRequired,
    hasProvider: view.payment?.provider != null,
    products: view.products.map((product) => ({
      productId: product.productId,
      name: product.name,
      description: product.description ?? null,
      price: product.price,
      currency: view.currency,
      stock: product.stock ?? null,
      offered: product.offered,
      maxPerUser: product.maxPerUser ?? null,
      image: product.image ?? null,
    })),
  };
}

/** An RFC 3339 time in milliseconds since the Unix epoch; null for none. */
export function instant(text: string | null | undefined): number | null {
  const at = Date.parse(text ?? "");
  return Number.isNaN(at) ? null : at;
}

/**
 * The sale as it is at `now`, by the schedule alone where the server's word is older than an
 * instant of it: a page opens and closes without waiting to be told.
 */
export function saleAt(sale: Sale, now: number): Sale {
  const status = statusAt(sale, now);
  return status === sale.status ? sale : { ...sale, status };
}

function statusAt({ status, opensAt, closesAt }: Sale, now: number): SaleStatus {
  if (status === "Closed" || status === "Draining") return status;
  if (closesAt !== null && now >= closesAt) return "Draining";
  if (status === "Scheduled" && opensAt !== null && now >= opensAt) return "Open";
  return status;
}
