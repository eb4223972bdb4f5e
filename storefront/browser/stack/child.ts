import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** How long a program may take to say what is waited for. */
const patience = 60_000;

/** A program that a test started; it ends with the test runner, however that ends. */
export class Child {
  /** Everything it has printed so far, standard error included. */
  output = "";
  /** Settles when it has ended and all it printed is here. */
  readonly ended: Promise<void>;
  private readonly process: ChildProcess;
  private readonly listeners = new Set<() => void>();
  private running = true;

  constructor(
    program: string,
    args: string[],
    environment: Record<string, string> = {},
    cwd?: string,
  ) {
    this.process = spawn("setpriv", ["--pdeathsig", "KILL", program, ...args], {
      env: { ...process.env, ...environment },
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
        this.tell();
      });
    }
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.running = false;
        this.tell();
        resolve();
      };
      this.process.once("close", end).once("error", end);
    });
  }

  /** Its process id. */
  get pid(): number {
    if (this.process.pid === undefined) throw new Error("setpriv is missing: install util-linux");
    return this.process.pid;
  }

  /** Whether it has not ended. */
  get isRunning(): boolean {
    return this.running;
  }

  /** Its exit status; null while it runs, or when a signal ended it. */
  get status(): number | null {
    return this.process.exitCode;
  }

  /** Waits until it has printed something that matches, and returns the match. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        settle();
        reject(new Error(`${why} without saying ${pattern.source}:\n${this.output}`));
      };
      const look = (): void => {
        const match = pattern.exec(this.output);
        if (match) {
          settle();
          resolve(match);
        } else if (!this.running) {
          fail("ended");
        }
      };
      const timer = setTimeout(() => {
        fail(`${(patience / 1000).toFixed()} s passed`);
      }, patience);
      const settle = (): void => {
        clearTimeout(timer);
        this.listeners.delete(look);
      };
      this.listeners.add(look);
      look();
    });
  }

  /** Sends it a signal, if it still runs. */
  signal(signal: NodeJS.Signals): void {
    if (this.running) this.process.kill(signal);
  }

  /** The process ids of its own running children whose program has this name. */
  childrenNamed(name: string): number[] {
    return childrenOf(this.pid).filter((pid) => nameOf(pid) === name);
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

/** Children of every thread: each may have started some. */
function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    (read(`/proc/${pid}/task/${thread}/children`) ?? "").split(" ").filter(Boolean).map(Number),
  );
}

/** The program of a process; some, like Redis, write one line of their own there. */
function nameOf(pid: number): string | undefined {
  return read(`/proc/${pid}/cmdline`)?.split(/[\0 ]/)[0]?.split("/").at(-1);
}

/** A file of `/proc`; undefined when its process has just gone. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
