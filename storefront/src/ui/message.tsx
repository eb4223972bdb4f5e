import type { ReactNode } from "react";

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
