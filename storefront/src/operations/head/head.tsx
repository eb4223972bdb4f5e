import { Badge, type Tone, Button } from "../../ui/elements";
import { PageHeading } from "../../ui/layout";
import type { FeedConnection } from "../feed/state";
import { formatTimeOfDay } from "../wording";

const CONNECTIONS: Record<FeedConnection, { tone: Tone; text: string }> = {
  connecting: { tone: "neutral", text: "Connecting…" },
  live: { tone: "good", text: "Live" },
  polling: { tone: "wait", text: "Polling" },
  lost: { tone: "bad", text: "No answer" },
};

const STALE: (typeof CONNECTIONS)[FeedConnection] = { tone: "bad", text: "Old figures" };

interface HeadProps {
  connection: FeedConnection;
  /** Whether figures come but are old. */
  isStale: boolean;
  /** The server's time; null before it is known. */
  now: number | null;
  onLeave: () => void;
}

/** What the page is, whether it is up to date, and the clock that sales open and close by. */
export function Head({ connection, isStale, now, onLeave }: HeadProps) {
  const { tone, text } = isStale && connection !== "lost" ? STALE : CONNECTIONS[connection];
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
      <PageHeading title="Operations" className="text-3xl" />
      <Badge tone={tone}>{text}</Badge>
      <div className="ml-auto flex items-center gap-4">
        {now !== null && (
          <p className="text-2xl font-semibold tabular-nums">
            <span className="sr-only">Server’s clock: </span>
            {formatTimeOfDay(now)} <span className="text-sm font-normal text-muted">UTC</span>
          </p>
        )}
        <Button size="small" onClick={onLeave}>
          Sign out
        </Button>
      </div>
    </div>
  );
}
