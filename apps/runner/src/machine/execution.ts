import type { RunControl } from "../config/run-config.js";
import type { MachineHost } from "./contract.js";

/** How a machine executes its guest, and what of it is measured. */
export function execution({ tier, stats }: RunControl): Pick<MachineHost, "tier" | "now"> {
  return {
    ...(tier !== undefined && { tier }),
    // Nobody would see what is measured otherwise.
    ...(stats !== undefined && { now: () => performance.now() }),
  };
}
