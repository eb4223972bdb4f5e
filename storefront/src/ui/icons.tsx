import type { ReactNode } from "react";

/** A drawn sign, as tall as the text beside it unless told. */
function Icon({ children, className = "size-6" }: { children: ReactNode; className?: string }) {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2.25"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className={`shrink-0 ${className}`}
    >
      {children}
    </svg>
  );
}

/** It worked. */
export function CheckIcon({ className }: { className?: string }) {
  return (
    <Icon {...(className && { className })}>
      <path d="m4.5 12.5 5 5 10-11" />
    </Icon>
  );
}

/** It did not. */
export function CrossIcon({ className }: { className?: string }) {
  return (
    <Icon {...(className && { className })}>
      <path d="m6 6 12 12M18 6 6 18" />
    </Icon>
  );
}

/** Something to know. */
export function InfoIcon({ className }: { className?: string }) {
  return (
    <Icon {...(className && { className })}>
      <circle cx="12" cy="12" r="9" />
      <path d="M12 11v5M12 7.8v.1" />
    </Icon>
  );
}

/** Onwards. */
export function ArrowIcon({ className }: { className?: string }) {
  return (
    <Icon {...(className && { className })}>
      <path d="M5 12h14m-6-6 6 6-6 6" />
    </Icon>
  );
}

/** On its way. */
export function Spinner() {
  return (
    <span
      aria-hidden="true"
      className="size-5 shrink-0 animate-turn rounded-full border-[2.5px] border-current border-t-transparent motion-reduce:animate-none"
    />
  );
}
