import { memo, useState, type ComponentProps, type ReactNode } from "react";

/** What a button is for: the one thing to do here, one of several, or something that destroys. */
export type ButtonKind = "act" | "plain" | "quiet" | "danger";

const shape =
  "inline-flex select-none items-center justify-center gap-2.5 rounded-control font-semibold " +
  "transition-[background-color,transform,box-shadow] duration-150 active:translate-y-px " +
  "disabled:active:translate-y-0";

const kinds: Record<ButtonKind, string> = {
  act:
    "bg-act text-act-ink shadow-[inset_0_-2px_0_rgb(0_0_0/0.12)] hover:bg-act-strong " +
    "disabled:bg-sunken disabled:text-muted disabled:shadow-none",
  plain:
    "border border-edge bg-surface text-ink hover:border-ink disabled:border-line disabled:text-muted",
  quiet: "text-ink underline decoration-edge underline-offset-4 hover:decoration-ink",
  danger: "bg-bad-wash text-bad hover:ring-1 hover:ring-bad disabled:bg-sunken disabled:text-muted",
};

const sizes = {
  large: "min-h-16 px-6 text-xl",
  medium: "min-h-11 px-4 text-base",
  small: "min-h-9 px-3 text-sm",
};

interface Look {
  kind?: ButtonKind;
  size?: keyof typeof sizes;
}

/** The classes of a button, for links that look like one. */
export function buttonClass({ kind = "plain", size = "medium" }: Look = {}): string {
  return `${shape} ${kinds[kind]} ${sizes[size]}`;
}

/** A button. `type` is `button` unless told. */
export function Button({ kind, size, className = "", ...rest }: ComponentProps<"button"> & Look) {
  return (
    <button
      type="button"
      {...rest}
      className={`${buttonClass({ ...(kind && { kind }), ...(size && { size }) })} ${className}`}
    />
  );
}

/** What a badge tells by its colour, besides its words. */
export type Tone = "neutral" | "live" | "good" | "bad" | "wait";

const tones: Record<Tone, string> = {
  neutral: "bg-sunken text-muted",
  live: "bg-night text-night-ink",
  good: "bg-good-wash text-good",
  bad: "bg-bad-wash text-bad",
  wait: "bg-wait-wash text-wait",
};

/** A short word on a state. `live` has a dot that breathes. */
export function Badge({ tone = "neutral", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span
      className={`inline-flex items-center gap-2 rounded-full px-3 py-1 text-sm font-semibold whitespace-nowrap ${tones[tone]}`}
    >
      {tone === "live" && <span className="size-2 animate-breathe rounded-full bg-act" />}
      {children}
    </span>
  );
}

const paths = {
  /** It worked. */
  check: "m4.5 12.5 5 5 10-11",
  /** It did not. */
  cross: "m6 6 12 12M18 6 6 18",
  /** Something to know. */
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18m0 8v5m0-8.2v.1",
  /** Onwards. */
  arrow: "M5 12h14m-6-6 6 6-6 6",
};

/** A drawn sign beside words that say the same. */
export function Icon({ sign }: { sign: keyof typeof paths }) {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2.25"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className="size-6 shrink-0"
    >
      <path d={paths[sign]} />
    </svg>
  );
}

/** On its way. */
export function Spinner() {
  return (
    <span
      aria-hidden="true"
      className="size-5 shrink-0 animate-turn rounded-full border-[2.5px] border-current border-t-transparent"
    />
  );
}

interface MessageProps {
  title: string;
  children: ReactNode;
  /** What one can do about it. */
  action?: ReactNode;
}

/** In place of content that is not there, and why. */
export function Message({ title, children, action }: MessageProps) {
  return (
    <section className="mx-auto grid min-h-80 max-w-md content-center justify-items-center gap-3 py-12 text-center">
      <h2 className="text-2xl font-bold tracking-tight">{title}</h2>
      <p className="text-muted text-pretty">{children}</p>
      {action && <div className="mt-3">{action}</div>}
    </section>
  );
}

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

/** Holds the place of something on its way; give it the size of what comes. */
export function Skeleton({ className }: { className: string }) {
  return <span aria-hidden="true" className={`block rounded-panel bg-sunken ${className}`} />;
}
