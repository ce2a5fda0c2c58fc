import { BoardMachine } from "../common/machine.js";
import type { PcVCpu } from "./cpus.js";

/** A PC, ready to run. */
export class PcMachine extends BoardMachine<PcVCpu> {}
