import type { Sale } from "../live/sale";
import { Picture } from "../ui/elements";
import { saleTitle } from "./sale-title";

/** With fewer than these, the first product stands for all. */
const MOSAIC = 4;

/** What a sale looks like: its product, or four of them. */
export function SalePictures({ sale, isMain }: { sale: Sale; isMain: boolean }) {
  const [first] = sale.products;
  if (sale.products.length < MOSAIC) {
    return (
      <Picture
        image={first?.image ?? null}
        name={first?.name ?? saleTitle(sale.sale)}
        isMain={isMain}
        className="aspect-[5/4]"
      />
    );
  }
  return (
    <div className="grid aspect-[5/4] grid-cols-2 grid-rows-2 gap-0.5">
      {sale.products.slice(0, MOSAIC).map(({ productId, image, name }) => (
        <Picture key={productId} image={image} name={name} isMain={isMain} className="min-h-0" />
      ))}
    </div>
  );
}
