import { memo, useState } from "react";

interface PictureProps {
  /** Address; null draws the placeholder. */
  image: string | null;
  /** The placeholder shows its initial. */
  name: string;
  /** Whether it is what the page is about: fetched first. Others wait until they come near. */
  isMain?: boolean;
  className?: string;
}

/** A picture of a product, cut to the shape that `className` gives it. Decoration to a listener: the name stands beside it. */
export const Picture = memo(function Picture({
  image,
  name,
  isMain,
  className = "",
}: PictureProps) {
  const [failed, setFailed] = useState<string | null>(null);
  const frame = `overflow-hidden bg-sunken ${className}`;
  if (!image || failed === image) {
    return (
      <div className={`${frame} grid place-items-center`} aria-hidden="true">
        <svg viewBox="0 0 100 100" className="size-full text-muted">
          <circle cx="50" cy="50" r="27" className="fill-surface" />
          <text x="50" y="60.5" textAnchor="middle" className="fill-current text-[30px] font-bold">
            {name.charAt(0).toUpperCase()}
          </text>
        </svg>
      </div>
    );
  }
  return (
    <div className={frame}>
      <img
        src={image}
        alt=""
        width={1200}
        height={1200}
        decoding="async"
        loading={isMain ? "eager" : "lazy"}
        fetchPriority={isMain ? "high" : "auto"}
        onError={() => {
          setFailed(image);
        }}
        className="size-full object-cover object-[50%_32%]"
      />
    </div>
  );
});
