/** The sign of what unfolds: points right, and down when `isOpen` or inside an open `details`. */
export function Chevron({ isOpen = false }: { isOpen?: boolean }) {
  return (
    <svg
      viewBox="0 0 12 12"
      aria-hidden="true"
      className={`size-3 shrink-0 fill-none stroke-current stroke-2 group-open:rotate-90 ${isOpen ? "rotate-90" : ""}`}
    >
      <path d="M4 1.5 8.5 6 4 10.5" />
    </svg>
  );
}
