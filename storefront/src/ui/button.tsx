import type { ComponentProps } from "react";

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
