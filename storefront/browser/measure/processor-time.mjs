// Loaded into Node.js with `--import`: says at the end what the process took of the processor.
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
  process.on("exit", () => {
    const { user, system } = process.cpuUsage();
    console.log(`processor time: ${(user + system) / 1_000_000} s`);
  });
}
