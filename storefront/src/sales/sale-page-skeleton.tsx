import { Skeleton } from "../ui/elements";

/** The room that products take, while they are on their way. */
export function SalePageSkeleton() {
  return (
    <div
      aria-hidden="true"
      className="grid gap-8 md:grid-cols-[1.1fr_1fr] md:items-center md:gap-14"
    >
      <Skeleton className="aspect-[5/4] md:aspect-square" />
      <div className="grid gap-6">
        <Skeleton className="h-24" />
        <Skeleton className="h-10 w-40" />
        <Skeleton className="h-9" />
        <Skeleton className="h-32" />
      </div>
    </div>
  );
}
