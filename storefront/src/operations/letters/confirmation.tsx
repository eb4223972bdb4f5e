import { Button } from "../../ui/elements";
import { Dialog } from "../controls";
import type { Verb } from "./letters";
import { questionOf } from "./sentences";

/** What somebody is about to do. */
export interface Intent {
  readonly verb: Verb;
  readonly ids: readonly string[];
}

interface ConfirmationProps {
  /** Null when nothing is asked. */
  intent: Intent | null;
  onConfirm: (intent: Intent) => void;
  onCancel: () => void;
}

/** Says what will happen to how many letters, and waits for a yes. */
export function Confirmation({ intent, onConfirm, onCancel }: ConfirmationProps) {
  const { title, text } = questionOf(intent?.verb ?? "replay", intent?.ids.length ?? 0);
  return (
    <Dialog
      isOpen={intent !== null}
      onClose={onCancel}
      title={title}
      actions={
        <>
          <Button onClick={onCancel}>Cancel</Button>
          <Button
            kind={intent?.verb === "discard" ? "danger" : "act"}
            onClick={() => {
              if (intent) onConfirm(intent);
            }}
          >
            {intent?.verb === "discard" ? "Discard" : "Replay"}
          </Button>
        </>
      }
    >
      <p>{text}</p>
    </Dialog>
  );
}
