/** The currency of every price: a sale names cents and leaves the currency to the shop. */
const CURRENCY = "USD";

const price = new Intl.NumberFormat("en-US", { style: "currency", currency: CURRENCY });
const count = new Intl.NumberFormat("en-US");

/** A price given in cents: $1,249.00. */
export function formatPrice(cents: number): string {
  return price.format(cents / 100);
}

/** A count with thousands set apart: 16,210. */
export function formatCount(number: number): string {
  return count.format(number);
}
