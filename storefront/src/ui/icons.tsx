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
